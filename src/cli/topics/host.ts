/** The host that a topic is about. */

import type { Host } from "../../ir/network.ts";
import { findHost } from "../../lab/ends.ts";
import { endFailure } from "../ends.ts";
import { Failure } from "../failure.ts";
import type { TopicInput } from "../show-topic.ts";

export function hostOf(input: TopicInput): Host {
  const { view, argument } = input;
  if (argument === undefined) throw new Failure("usage", "which host?", { fix: "'drydock show hosts' lists them" });
  const found = findHost(view, argument, { cluster: input.cluster, namespace: input.namespace });
  if ("problem" in found) throw endFailure(found.problem);
  const host = view.network.host(found.found);
  if (host === undefined) throw new Failure("unknown", `there is no host ${found.found}`);
  return host;
}
