/** Questions by name: `vm/a > vm/b:80`, as a check prints them. */

import { type Question, questionsFor } from "../../src/lab/check.ts";
import type { LabView } from "../../src/lab/view.ts";

/** Throws for a journey that no check would ask about. */
export function journeys(view: LabView, asked: readonly string[]): readonly (readonly [journey: string, Question])[] {
  const all = new Map([...questionsFor(view, 2, undefined).asked].map((question) => [`${question.from} > ${question.to}`, question]));
  return asked.map((journey) => {
    const question = all.get(journey);
    if (question === undefined) throw new Error(`no journey ${journey} among:\n${[...all.keys()].join("\n")}`);
    return [journey, question];
  });
}
