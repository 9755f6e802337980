/** Ends of assertions to those of a lab: one end as `trace` takes it, or all that a set selects. */

import { nearest } from "../documents/nearest.ts";
import { matchesPattern } from "../documents/pattern.ts";
import type { Finding } from "../documents/problem.ts";
import { matchesLabels } from "../kube/selectors.ts";
import type { Endpoint, Via } from "../lab/endpoints.ts";
import { type EndProblem, findSender, findTarget, type Sender, type Target } from "../lab/ends.ts";
import { workloadOf } from "../lab/reachability.ts";
import type { LabView } from "../lab/view.ts";
import { type Family, familyOf } from "../net/address.ts";
import { type Protocol, parsePortSpec } from "../net/ports.ts";
import { parsePrefix, prefixContains } from "../net/prefix.ts";
import type { EndWords } from "./definition.ts";

export type EndHints = {
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  readonly protocol?: Protocol | undefined;
  readonly via?: Via | undefined;
  readonly family?: Family | undefined;
};

/** What was found, and what is wrong with the rest. */
export type Resolved<T> = { readonly found: readonly T[]; readonly findings: readonly Finding[] };

type EndSet = Extract<EndWords, { readonly set: unknown }>["set"];

/** Pods of the node's network send as their node does, and are in no set of senders. */
export function sendersOf(view: LabView, ends: readonly EndWords[], hints: EndHints): Resolved<Sender> {
  return resolve(ends, (end) => {
    if ("end" in end) return foundOr(findSender(view, end.end, hints));
    const { found, findings } = select(view, end.set, hints);
    return { found: found.filter(({ pod }) => pod?.spec.hostNetwork !== true).map(senderOf), findings };
  });
}

/**
 * The targets that a sender reaches by these ends; which address of a Service that is depends on the sender. A function of the sender, so that sets
 * are selected once.
 */
export function targetsOf(view: LabView, ends: readonly EndWords[], hints: EndHints): (sender: Sender) => Resolved<Target> {
  const sets = new Map<EndWords, Resolved<Target>>();
  for (const end of ends) {
    if ("end" in end) continue;
    const { found, findings } = select(view, end.set, hints);
    sets.set(end, { found: found.flatMap((endpoint) => asked(endpoint, end.set, hints)), findings });
  }
  return (sender) =>
    resolve(ends, (end) => sets.get(end) ?? ("end" in end ? foundOr(findTarget(view, end.end, { ...hints, sender })) : nothing));
}

const nothing = { found: [], findings: [] };

function resolve<T>(ends: readonly EndWords[], of: (end: EndWords) => Resolved<T>): Resolved<T> {
  const resolved = ends.map(of);
  return { found: resolved.flatMap(({ found }) => found), findings: resolved.flatMap(({ findings }) => findings) };
}

function foundOr<T>(result: { readonly found: T } | { readonly problem: EndProblem }): Resolved<T> {
  return "found" in result ? { found: [result.found], findings: [] } : { found: [], findings: [endFinding(result.problem)] };
}

function endFinding({ what, why, near, fix }: EndProblem): Finding {
  const meant = near.length === 0 ? "" : `; did you mean ${near.join(" or ")}?`;
  return { code: "UnknownEnd", message: `${what}${why === undefined ? "" : `: ${why}`}${meant}`, fix };
}

function senderOf({ label, host, address, ipv6Address, cluster, namespace }: Endpoint): Sender {
  return {
    label,
    host,
    address,
    ...(ipv6Address === undefined ? {} : { ipv6Address }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(namespace === undefined ? {} : { namespace }),
  };
}

/** Each port as a target of its own. Who has no address of the family that is asked for is no target. */
function asked(endpoint: Endpoint, { ports }: EndSet, { protocol, family }: EndHints): readonly Target[] {
  const { label, host, listens } = endpoint;
  const address = family === 6 ? endpoint.ipv6Address : endpoint.address;
  if (address === undefined || (family !== undefined && familyOf(address) !== family)) return [];
  const ping: Target = { label, address, host, protocol: "icmp" };
  const wanted = ports?.flatMap((text) => (text === undefined ? [] : (parsePortSpec(text) ?? "icmp")));
  const chosen = (wanted ?? (listens.length === 0 ? ["icmp" as const] : listens)).filter(
    (port) => protocol === undefined || (port === "icmp" ? port : port.protocol) === protocol,
  );
  return chosen.map((port) => (port === "icmp" ? ping : { ...ping, label: `${label}:${port.port}`, ...port }));
}

function select(view: LabView, set: EndSet, hints: EndHints): Resolved<Endpoint> {
  const { kind, within, name, labels } = set;
  const findings: Finding[] = [];
  const ofPods = kind === "pod";
  const cluster = set.cluster ?? (ofPods || kind === "node" ? hints.cluster : undefined);
  const namespace = set.namespace ?? (ofPods ? hints.namespace : undefined);
  const prefix = within === undefined ? undefined : parsePrefix(within);
  if (within !== undefined && prefix === undefined)
    findings.push({ code: "InvalidValue", value: within, message: `${within} is no prefix` });
  if (!ofPods && (labels !== undefined || namespace !== undefined)) {
    findings.push({
      code: "InvalidValue",
      message: `a ${kind} has no ${labels === undefined ? "namespace" : "labels"}`,
      fix: "leave it out, or use kind: pod",
    });
  }
  const matches = (pattern: string | undefined, text: string | undefined) =>
    pattern === undefined || (text !== undefined && matchesPattern(text, pattern));
  const ofKind = view.endpoints.filter((endpoint) => endpoint.kind === kind);
  const found = ofKind.filter(
    (endpoint) =>
      matches(cluster, endpoint.cluster) &&
      matches(namespace, endpoint.namespace) &&
      matches(name, endpoint.name) &&
      (labels === undefined || matchesLabels(labels, endpoint.pod?.metadata.labels)) &&
      (prefix === undefined || prefixContains(prefix, endpoint.address)),
  );
  if (found.length === 0 && findings.length === 0) findings.push(emptySet(set, ofKind, cluster, namespace));
  const excluded = new Set<string>();
  for (const end of set.except) {
    const other = "end" in end ? foundOr(findSender(view, end.end, hints)) : select(view, end.set, hints);
    findings.push(...other.findings);
    const labels = new Set(other.found.map(({ label }) => label));
    for (const label of labels) excluded.add(label);
    if ("end" in end && isWorkload(end.end)) for (const label of siblings(view, labels, found)) excluded.add(label);
  }
  return { found: found.filter(({ label }) => !excluded.has(label)), findings };
}

function isWorkload(text: string): boolean {
  return /(^|[:/])(deploy|deployments?|sts|statefulsets?|ds|daemonsets?|rs|replicasets?)\//i.test(text);
}

/** In a journey a workload stands for any of its pods; left out are all of them. */
function siblings(view: LabView, labels: ReadonlySet<string>, among: readonly Endpoint[]): readonly string[] {
  const idOf = (endpoint: Endpoint) => `${endpoint.cluster}:${endpoint.namespace}/${workloadOf(view, endpoint)}`;
  const workloads = new Set(view.endpoints.filter(({ label }) => labels.has(label)).map(idOf));
  return among.filter((endpoint) => endpoint.pod !== undefined && workloads.has(idOf(endpoint))).map(({ label }) => label);
}

/** An assertion about nobody would hold whatever happens, which is not what its author thinks. */
function emptySet(
  { kind, name }: EndSet,
  ofKind: readonly Endpoint[],
  cluster: string | undefined,
  namespace: string | undefined,
): Finding {
  const words = [kind, cluster && `of cluster ${cluster}`, namespace && `in namespace ${namespace}`, name && `called ${name}`].filter(
    Boolean,
  );
  const known = (of: (endpoint: Endpoint) => string | undefined) => [...new Set(ofKind.flatMap((endpoint) => of(endpoint) ?? []))];
  const near = [
    ...(namespace === undefined
      ? []
      : nearest(
          namespace,
          known((endpoint) => endpoint.namespace),
        )),
    ...(cluster === undefined
      ? []
      : nearest(
          cluster,
          known((endpoint) => endpoint.cluster),
        )),
    ...(name === undefined
      ? []
      : nearest(
          name,
          known((endpoint) => endpoint.name),
        )),
  ];
  return {
    code: "EmptySet",
    message: `the set is empty: there is no ${words.join(" ")}${near.length === 0 ? "" : `; did you mean ${near.join(" or ")}?`}`,
    fix: ofKind.length === 0 ? `the design has no ${kind}` : "`drydock show addresses` lists who is there",
  };
}
