/**
 * What an app answers to HTTP, as its pods' annotation says. Nobody runs the app: what stands in for it answers 200 on every path that the annotation
 * does not name, and takes every connection.
 *
 *     drydock.dev/answers: "/=404 /healthz=200 8080/api/*=503"
 */

import type { ObjectMeta } from "./objects.ts";

export const answersAnnotation = "drydock.dev/answers";

/** A path that ends in `*` stands for all that begin with what is before it. */
export type PathStatus = { readonly path: string; readonly status: number };

/** `port`: of the container; without it the answer is the same on all of them. */
export type AppAnswer = PathStatus & { readonly port?: number };

/** The annotation's value, or what is wrong with it. */
export function parseAnswers(text: string): { readonly answers: readonly AppAnswer[] } | { readonly problem: string } {
  const answers: AppAnswer[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    const [, port, path = "", digits = ""] = /^(\d{1,5})?(\/[^=\s*]*\*?|\*)=(\d{3})$/.exec(word) ?? [];
    const [status, number] = [Number(digits), port === undefined ? undefined : Number(port)];
    if (path === "") return { problem: `${JSON.stringify(word)} is not PATH=STATUS` };
    if (status < 200 || status > 599) return { problem: `${JSON.stringify(word)}: a status is 200 to 599` };
    if (number !== undefined && (number < 1 || number > 65_535)) return { problem: `${JSON.stringify(word)}: a port is 1 to 65535` };
    answers.push({ ...(number === undefined ? {} : { port: number }), path, status });
  }
  return answers.length === 0 ? { problem: "it says nothing" } : { answers };
}

const none: readonly AppAnswer[] = [];

/** What the pod's annotation says. One that is wrong was refused when it was read. */
export function answersOf({ annotations }: Pick<ObjectMeta, "annotations">): readonly AppAnswer[] {
  const text = annotations?.[answersAnnotation];
  if (text === undefined) return none;
  const parsed = parseAnswers(text);
  return "answers" in parsed ? parsed.answers : none;
}

/** Those of a port. */
export function answersAt(answers: readonly AppAnswer[], port: number): readonly PathStatus[] {
  return answers.filter((answer) => answer.port === undefined || answer.port === port).map(({ path, status }) => ({ path, status }));
}

/** The first that fits a path, which may have a query; `undefined` where nothing is said. */
export function statusAt(answers: readonly PathStatus[], path: string): number | undefined {
  const [name = ""] = path.split("?", 1);
  return answers.find((answer) => (answer.path.endsWith("*") ? name.startsWith(answer.path.slice(0, -1)) : answer.path === name))?.status;
}
