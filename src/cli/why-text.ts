/** What keeps a packet from arriving, for people: obstacle by obstacle, with what to change, by whom, and the proof. */

import { stringify } from "yaml";
import type { Style } from "../render/style.ts";
import { outcomeText, type TraceTextOptions } from "../render/trace.ts";
import type { Explanation, Leg, Lifted } from "../why/index.ts";

export type Asked = { readonly from: string; readonly to: string };

export function renderWhy({ from, to }: Asked, explanation: Explanation, options: TraceTextOptions & { readonly style: Style }): string {
  const { style } = options;
  const { arrives, paths, allowedBy, obstacles, proof } = explanation;
  const head = `${style.bold(`${from} > ${to}`)}\n`;
  const outcomes = (list: Explanation["paths"]) => [...new Set(list.map((path) => outcomeText(path, options)))].join("\n  ");
  if (arrives) {
    const rules = allowedBy.map(({ host, origin }) => `  ${host}: ${origin.reason}\n`).join("");
    return `${head}  ${outcomes(paths)}\n${rules === "" ? style.dim("  no rule stands in its way\n") : `${style.dim("allowed by")}\n${rules}`}`;
  }
  const parts = obstacles.map((one, index) => obstacleText(one, index + 1, style));
  const count = obstacles.length === 1 ? "one obstacle" : `${obstacles.length} obstacles`;
  const end = proof.arrives
    ? `${style.green(obstacles.length === 1 ? "with this change it arrives" : "with all of these changes it arrives")}: ${outcomes(proof.paths)}\n`
    : `${style.red(obstacles.some((one) => "change" in one) ? "with these changes it still does not arrive" : "nothing that could be changed here makes it arrive")}: ${outcomes(proof.paths)}\n`;
  return `${head}  ${outcomes(paths)}\n  ${count}\n\n${parts.join("\n")}\n${end}`;
}

const legWords: Readonly<Record<Leg, string>> = {
  there: "on its way there",
  back: "on the way back",
  // biome-ignore lint/suspicious/noThenProperty: a leg of a flow, in no object that anybody awaits
  then: "when the connection goes on",
};

function obstacleText(lifted: Lifted, number: number, style: Style): string {
  const { obstacle } = lifted;
  const { leg, host, what, element, origin, parted } = obstacle;
  const lines = [
    `${style.bold(String(number))}  ${legWords[leg]}, on ${host}${element === undefined ? "" : `, ${element}`}: ${style.red(what)}`,
  ];
  if (origin !== undefined)
    lines.push(`   ${style.dim("because")}  ${origin.reason}${origin.source === undefined ? "" : style.dim(` (${origin.source})`)}`);
  if (parted !== undefined && leg !== "there")
    lines.push(`   ${style.dim("parted")}   at ${parted.host}: there from ${parted.there}, back to ${parted.back}`);
  if ("nothing" in lifted) lines.push(`   ${style.dim("change")}   ${style.yellow(lifted.nothing)}`);
  else {
    const { change } = lifted;
    lines.push(`   ${style.dim("change")}   ${change.what}`, `   ${style.dim("owner")}    ${change.owner}`);
    if (change.note !== undefined) lines.push(`   ${style.dim("note")}     ${change.note}`);
    if (change.document !== undefined) {
      const text = stringify(change.document, { aliasDuplicateObjects: false, lineWidth: 0 }).trimEnd();
      lines.push(...text.split("\n").map((line) => `            ${style.cyan(line)}`));
    }
  }
  return `${lines.join("\n")}\n`;
}
