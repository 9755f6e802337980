/** A migration for people: what happens in which order, what is lost on the way, and what is different afterwards. */

import type { Retirement } from "../arm/limits/retirements.ts";
import type { FlowChange } from "../flows/diff.ts";
import { type Migration, type MigrationStep, shellText } from "../flows/migration.ts";
import { type DesignDiff, sendersOf, writeDiff } from "./diff-text.ts";
import type { Writing } from "./writing.ts";

export type MigrationReport = Omit<Migration, "after" | "steps"> & {
  readonly steps: readonly Omit<MigrationStep, "documents">[];
  /** What ends when the nodes are re-imaged. */
  readonly interruption?: { readonly nodes: number; readonly pods: number; readonly timesReimaged: number };
  /** Flows that are open between two steps, and neither before nor meant to be. */
  readonly meanwhile: readonly { readonly after: string; readonly starts: readonly FlowChange[] }[];
  /** From now to the end; absent when there is no end. */
  readonly diff?: DesignDiff;
  /** Ids in the commands are of a lab file. */
  readonly hasNoSubscription: boolean;
};

export function writeMigration(report: MigrationReport): Writing {
  const { cluster, from, to, way, reasons, chosen, steps, interruption, meanwhile, diff, hasNoSubscription } = report;
  return [
    { kind: "title", text: `${cluster}: ${from} → ${to}` },
    { kind: "text", text: `${ways[way]}.` },
    ...[...reasons, ...chosen].map(item),
    ...(steps.length === 0 ? [] : [{ kind: "heading", text: "Steps" } as const]),
    ...steps.flatMap((step, index) => writeStep(step, index + 1)),
    ...(hasNoSubscription && steps.length > 0
      ? [{ kind: "text", text: "Resource groups and ids are those of a lab file: put your own in their place." } as const]
      : []),
    ...(interruption === undefined
      ? []
      : [
          { kind: "heading", text: "What is interrupted" } as const,
          item(
            `${interruption.nodes} nodes are re-imaged ${interruption.timesReimaged === 1 ? "once" : `${interruption.timesReimaged} times`}, all at once; ${interruption.pods} pods are made anew each time, and every connection of theirs ends`,
          ),
        ]),
    ...writeMeanwhile(meanwhile),
    ...writeRetirements(report.retirements),
    ...(diff === undefined
      ? []
      : writeDiff(diff).map((block) =>
          block.kind === "title" ? ({ kind: "heading", text: `What changes: ${block.text}` } as const) : block,
        )),
  ];
}

const ways: Readonly<Record<Migration["way"], string>> = {
  "in place": "It can be done in place",
  rebuild: "It cannot be done in place: a new cluster takes over",
  "nothing to do": "The cluster has that already",
  impossible: "There is no such cluster",
};

function item(text: string): Writing[number] {
  return { kind: "item", text, details: [] };
}

function writeStep({ title, notes, commands, oneWay, reimages, source }: MigrationReport["steps"][number], number: number): Writing {
  const marks = [...(oneWay === true ? ["NO WAY BACK"] : []), ...(reimages === true ? ["all nodes re-imaged"] : [])];
  const text = `${number}. ${title}${marks.length === 0 ? "" : ` (${marks.join(", ")})`}`;
  return [
    { kind: "item", text, details: [...notes, ...(source === undefined ? [] : [`source: ${source}`])] },
    ...(commands.length === 0 ? [] : [{ kind: "commands", lines: commands.map(shellText) } as const]),
  ];
}

function writeMeanwhile(meanwhile: MigrationReport["meanwhile"]): Writing {
  if (meanwhile.length === 0) return [];
  return [
    { kind: "heading", text: "Open meanwhile: flows that network policies forbid" },
    ...meanwhile.flatMap(({ after, starts }) => [
      item(`after "${after}": ${starts.reduce((sum, { pairs }) => sum + pairs, 0)} flows`),
      ...byEnds(starts).map(([ends, pairs]) => item(`  ${ends}: ${pairs}`)),
    ]),
  ];
}

const shownFlows = 10;

function byEnds(starts: readonly FlowChange[]): readonly (readonly [ends: string, pairs: number])[] {
  const sums = new Map<string, number>();
  for (const change of starts) {
    const ends = `${sendersOf(change)} → ${change.to}`;
    sums.set(ends, (sums.get(ends) ?? 0) + change.pairs);
  }
  const sorted = [...sums].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const more = sorted.slice(shownFlows).reduce((sum, [, pairs]) => sum + pairs, 0);
  return [...sorted.slice(0, shownFlows), ...(more === 0 ? [] : [["others", more] as const])];
}

function writeRetirements(retirements: readonly Retirement[]): Writing {
  if (retirements.length === 0) return [];
  return [
    { kind: "heading", text: "What ends" },
    ...retirements.map(({ what, date, source }) => item(`${what} ends on ${date} (${source})`)),
  ];
}
