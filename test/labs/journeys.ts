/** Questions by name: `vm/a > vm/b:80`, as a check prints them; `shop:default/pod/web* > vm/b:80` for one of several senders. */

import { type Question, questionsFor } from "../../src/lab/check.ts";
import type { LabView } from "../../src/lab/view.ts";

/** A Service is asked at its load balancer, if it has one. Throws for a journey that no check would ask about. */
export function journeys(view: LabView, asked: readonly string[]): readonly (readonly [journey: string, Question])[] {
  const all = [...questionsFor(view, 2, undefined).asked].map((question) => ({ question, name: `${question.from} > ${question.to}` }));
  return asked.map((journey) => {
    const [start = "", end] = journey.split("*");
    const found = all.findLast(({ name }) => (end === undefined ? name === journey : name.startsWith(start) && name.endsWith(end)));
    if (found === undefined) throw new Error(`no journey ${journey} among:\n${all.map(({ name }) => name).join("\n")}`);
    return [journey, found.question];
  });
}
