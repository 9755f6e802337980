/**
 * Assertions about a design: what must hold of its packets, of its address space and of its problems, in a file beside it (docs/test.md).
 *
 * Packets are judged by the tracer, figures by the plan; nothing is computed a second time here. Pure: the caller reads files and runs labs.
 */

import type { Problem } from "../documents/problem.ts";
import type { LabView } from "../lab/view.ts";
import { type Prefix, parseLoosePrefix } from "../net/prefix.ts";
import type { Plan } from "../plan/model.ts";
import type { Resource } from "../resources/resources.ts";
import { judgeReach, prepareReach } from "./reach.ts";
import type { Assertion, AssertionFile } from "./read.ts";
import { judgeBudget, judgeDisjoint, judgeProblem, judgeSubnet, type NamedRange } from "./space.ts";
import { failed, mistaken, type Verdict } from "./verdict.ts";

export { assertionSchema } from "./definition.ts";
export { deviationOf, prepareReach, type Question, type Reach, type Way, wayOf } from "./reach.ts";
export { type Assertion, type AssertionFile, readAssertions } from "./read.ts";
export { starterFile } from "./starter.ts";
export * from "./verdict.ts";

/** A design as far as assertions ask for it; what is costly is made when it is first asked for. */
export type Design = {
  readonly problems: readonly Problem[];
  /** Absent when the design has errors. */
  readonly view: LabView | undefined;
  readonly plan: Plan;
  readonly resources: readonly Resource[];
};

/** On the model. */
export function judge(design: Design, file: AssertionFile, assertion: Assertion): Verdict {
  const { words } = assertion;
  switch (words.kind) {
    case "reach": {
      if (design.view === undefined) return refused(design, assertion.name);
      const reach = prepareReach(design.view, file, assertion, words);
      return "questions" in reach ? judgeReach(design.view, reach) : mistaken(assertion.name, reach);
    }
    case "subnet":
      return judgeSubnet(design.plan, assertion, words);
    case "budget":
      return judgeBudget(design.plan, assertion, words);
    case "disjoint":
      return judgeDisjoint(rangesOf(design), assertion, words);
    case "problem":
      return judgeProblem(design.plan, words);
    default:
      throw new Error(`unknown assertion ${String(words satisfies never)}`);
  }
}

/** There is no network to send a packet through. */
export function refused({ problems }: Design, asserted: string): Verdict {
  const errors = problems.filter(({ severity }) => severity === "error");
  return failed(
    asserted,
    errors.map(({ file, line, code, message }) => ({ what: `the design is refused: ${file}:${line ?? 1}: ${message} (${code})` })),
  );
}

function rangesOf({ plan, resources }: Design): readonly NamedRange[] {
  const range = (group: string, name: string, text: string | undefined): readonly NamedRange[] => {
    const prefix: Prefix | undefined = text === undefined ? undefined : parseLoosePrefix(text);
    return prefix === undefined ? [] : [{ group, name, prefix }];
  };
  return [
    ...plan.networks.flatMap(({ name, prefixes }) => prefixes.flatMap((prefix) => range("networks", `network ${name}`, prefix))),
    ...plan.clusters.flatMap(({ name, podCidr }) => range("podCidrs", `the pods of ${name}`, podCidr)),
    ...plan.clusters.flatMap(({ name, serviceCidr }) => range("serviceCidrs", `the Services of ${name}`, serviceCidr)),
    ...resources.flatMap((resource) =>
      "type" in resource && resource.type === "Microsoft.Network/localNetworkGateways"
        ? resource.properties.localNetworkAddressSpace.addressPrefixes.flatMap((prefix) => range("sites", `site ${resource.name}`, prefix))
        : [],
    ),
  ];
}

/** Of a design that only its problems are asked of, errors are what is expected. */
export function expectsProblems({ assertions }: AssertionFile): boolean {
  return assertions.some(({ words }) => words.kind === "problem");
}
