/** Assertions about what a design takes and what is wrong with it, by the figures of its plan. No packet proves them. */

import { nearest } from "../documents/nearest.ts";
import type { Prefix } from "../net/prefix.ts";
import { parseLoosePrefix, prefixesOverlap } from "../net/prefix.ts";
import type { Budget, Moment, Plan } from "../plan/model.ts";
import { compares, parseComparison } from "./comparison.ts";
import type { AssertionWords } from "./definition.ts";
import type { Assertion } from "./read.ts";
import { type Deviation, failed, mistaken, passed, type Verdict } from "./verdict.ts";

type Words<K extends AssertionWords["kind"]> = Extract<AssertionWords, { readonly kind: K }>;

/** A range of addresses of the design, or one that the assertion brings along. */
export type NamedRange = { readonly name: string; readonly group: string; readonly prefix: Prefix };

export function judgeSubnet(plan: Plan, assertion: Assertion, words: Words<"subnet">): Verdict {
  const { subnet = "", free = "", at } = words;
  const asserted = `subnet ${subnet} has ${free} addresses left ${momentWords[at]}`;
  const found = plan.networks.flatMap(({ subnets }) => subnets).find(({ name }) => name === subnet);
  const budget = plan.budgets.find(({ id }) => id === found?.budget);
  if (budget !== undefined) return judgeFree(asserted, budget, free, at);
  const known = plan.networks.flatMap(({ subnets }) => subnets.map(({ name }) => name));
  return unknown(assertion, asserted, "subnet", subnet, known);
}

export function judgeBudget(plan: Plan, assertion: Assertion, words: Words<"budget">): Verdict {
  const { budget: id = "", free = "", at } = words;
  const asserted = `${id} has ${free} left ${momentWords[at]}`;
  const budget = plan.budgets.find((candidate) => candidate.id === id);
  if (budget !== undefined) return judgeFree(asserted, budget, free, at);
  return unknown(
    assertion,
    asserted,
    "budget",
    id,
    plan.budgets.map((one) => one.id),
  );
}

function unknown(assertion: Assertion, asserted: string, what: string, name: string, known: readonly string[]): Verdict {
  const [meant] = nearest(name, known);
  const message = `there is no ${what} ${name} in the design${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  const shown = known.slice(0, 12).join(", ");
  const more = known.length > 12 ? ` and ${known.length - 12} more` : "";
  return mistaken(asserted, [assertion.problem([what], { code: "UnknownName", value: name, message, fix: `there are ${shown}${more}` })]);
}

const momentWords: Readonly<Record<Moment, string>> = {
  now: "now",
  upgrade: "while a pool is upgraded",
  max: "at the pools' maximum",
  maxUpgrade: "at the pools' maximum, while one is upgraded",
  maxUpgradeAll: "at the pools' maximum, while all are upgraded",
};

function judgeFree(asserted: string, budget: Budget, free: string, at: Moment): Verdict {
  const comparison = parseComparison(free);
  if (comparison === undefined) throw new Error(`${free} is no comparison`);
  const { capacity, used, left, unit, holders, limit, name, resource } = budget;
  if (compares(left[at], comparison)) return passed(asserted);
  const who = holders
    .filter(({ amounts }) => amounts[at] > 0)
    .map(
      ({ name: holder, amounts, arithmetic }) =>
        `${amounts[at]} of ${holder}${at === "now" && arithmetic !== undefined ? ` (${arithmetic})` : ""}`,
    );
  const what = `${name} has ${left[at]} ${unit} left ${momentWords[at]}: ${capacity} less ${used[at]} (${who.join(", ") || "nobody"})`;
  return failed(asserted, [
    {
      what,
      decidedBy: { host: name, what: `${capacity} ${unit}`, origin: { resource, reason: what, source: limit.source } },
      again: "drydock plan",
    },
  ]);
}

/** `ranges`: the design's. */
export function judgeDisjoint(ranges: readonly NamedRange[], assertion: Assertion, words: Words<"disjoint">): Verdict {
  const wanted = words.disjoint ?? [];
  const asserted = `no two ranges overlap: ${wanted.join(", ")}`;
  const problems = wanted.flatMap((word, index) =>
    word.includes("/") && parseLoosePrefix(word) === undefined
      ? [assertion.problem(["disjoint", index], { code: "InvalidValue", value: word, message: `${word} is no prefix` })]
      : [],
  );
  if (problems.length > 0) return mistaken(asserted, problems);
  const all = wanted.flatMap((word): readonly NamedRange[] => {
    const prefix = word.includes("/") ? parseLoosePrefix(word) : undefined;
    return prefix === undefined ? ranges.filter(({ group }) => group === word) : [{ name: "this assertion", group: word, prefix }];
  });
  const deviations = all.flatMap((one, index) =>
    all.slice(index + 1).flatMap((other): readonly Deviation[] => {
      if (!prefixesOverlap(one.prefix, other.prefix)) return [];
      return [{ what: `${one.prefix} of ${one.name} and ${other.prefix} of ${other.name} overlap` }];
    }),
  );
  return deviations.length === 0 ? passed(asserted) : failed(asserted, deviations);
}

/** A problem of the documents or of the plan. */
export function judgeProblem({ problems }: Plan, words: Words<"problem">): Verdict {
  const { problem: code = "", present, severity, message } = words;
  const kind = severity ?? "problem";
  const asserted = `the design has ${present ? "the" : "no"} ${kind} ${code}${message === undefined ? "" : ` with ${JSON.stringify(message)}`}`;
  const found = problems.filter(
    (one) =>
      one.code === code &&
      (severity === undefined || one.severity === severity) &&
      (message === undefined || one.message.includes(message)),
  );
  if (found.length > 0 === present) return passed(asserted);
  const shown = (present ? problems : found).map((one): Deviation => {
    const place = one.file === undefined ? "" : `${one.file}:${one.line ?? 1}: `;
    return { what: `${place}${one.severity} ${one.code}: ${one.message}`, again: "drydock plan" };
  });
  if (shown.length > 0) return failed(asserted, present ? [{ what: `it has ${shown.length} others` }, ...shown] : shown, { deviating: 1 });
  return failed(asserted, [{ what: "it has no problem at all", again: "drydock plan" }]);
}
