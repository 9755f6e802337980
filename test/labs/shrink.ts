/** Makes a counterexample small: leaves out of a lab what the disagreement does not need. */

import type { Kernel } from "../../src/kernel/index.ts";
import { type Question, questionsFor } from "../../src/lab/check.ts";
import { familyOf } from "../../src/net/address.ts";
import type { LabText } from "./random-lab.ts";
import { openText, RunningLab } from "./running-lab.ts";

/** Labs to try at most: each is brought up and asked one question. */
const mostTries = 60;

/**
 * The lab without as many of its entries (clusters, machines, sites, route tables, …: one line each) as can go while the kernel still does with the
 * question's packet what the model does not predict.
 */
export async function shrunk(text: LabText, question: Question, kernel: Kernel): Promise<LabText> {
  let smallest = text;
  let tries = 0;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const line of smallest.lab.split("\n").filter((each) => each.startsWith("  - "))) {
      if (tries++ >= mostTries) return smallest;
      const candidate = without(smallest, line);
      if (!(await disagrees(candidate, question, kernel))) continue;
      smallest = candidate;
      isSmaller = true;
    }
  }
  return smallest;
}

/** A section that becomes empty goes with its last entry. */
function without({ lab, manifests }: LabText, line: string): LabText {
  const lines = lab.split("\n").filter((each) => each !== line);
  return {
    lab: lines.filter((each, index) => !/^\w+:$/.test(each) || lines[index + 1]?.startsWith("  - ") === true).join("\n"),
    manifests,
  };
}

async function disagrees(text: LabText, question: Question, kernel: Kernel): Promise<boolean> {
  let lab: RunningLab;
  try {
    lab = new RunningLab(openText(text), kernel);
  } catch {
    // What is left is no lab, or not one with the question's ends.
    return false;
  }
  try {
    for (const other of questionsFor(lab.view, 0, undefined).asked) {
      if (other.from !== question.from || other.to !== question.to || other.packet.protocol !== question.packet.protocol) continue;
      if (familyOf(other.packet.destination) !== familyOf(question.packet.destination)) continue;
      const { sourcePort } = question.packet;
      return await lab.disagrees({ ...other, packet: { ...other.packet, ...(sourcePort === undefined ? {} : { sourcePort }) } });
    }
    return false;
  } finally {
    lab.close();
  }
}
