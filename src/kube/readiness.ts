/**
 * What kubelet asks before a pod is ready. Nobody runs the containers, so what counts is what can be known: does what listens accept a connection,
 * and does the app answer the path of an HTTP readiness probe with 200 to 399 (k8s, pkg/probe/http: a redirect counts; it is not followed here).
 * Not looked at: liveness and startup probes, which restart containers, and probes by command or gRPC.
 */

import { answersAt, answersOf, statusAt } from "./answers.ts";
import { runningContainers } from "./containers.ts";
import type { Container, Pod } from "./objects.ts";

export type HttpQuestion = { readonly port: number; readonly path: string; readonly secure: boolean };

/** HTTP readiness probes on ports of which the pod's annotation says what the app answers. On all others it answers 200. */
export function httpReadiness(pod: Pod): readonly HttpQuestion[] {
  const answers = answersOf(pod.metadata);
  if (answers.length === 0) return [];
  return runningContainers(pod.spec).flatMap((container): HttpQuestion[] => {
    const get = container.readinessProbe?.httpGet;
    const port = get === undefined ? undefined : portOf(container, get.port);
    if (get === undefined || port === undefined || answersAt(answers, port).length === 0) return [];
    const path = get.path === undefined || get.path === "" ? "/" : get.path;
    return [{ port, path: path.startsWith("/") ? path : `/${path}`, secure: get.scheme === "HTTPS" }];
  });
}

/** The first question that the app does not answer well, and its status. */
export function failingReadiness(pod: Pod): (HttpQuestion & { readonly status: number }) | undefined {
  const answers = answersOf(pod.metadata);
  for (const question of httpReadiness(pod)) {
    const status = statusAt(answersAt(answers, question.port), question.path) ?? 200;
    if (status < 200 || status > 399) return { ...question, status };
  }
  return undefined;
}

/** A port that the container declares: nothing listens on others. */
function portOf({ ports = [] }: Container, port: string | number): number | undefined {
  return ports.find(({ name, containerPort, protocol }) => protocol !== "UDP" && (name === port || containerPort === port))?.containerPort;
}
