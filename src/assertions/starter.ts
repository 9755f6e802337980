/** A first file of assertions for a design: what is true of it now, to be kept, corrected or thrown out by who knows what must be. */

import { stringify } from "yaml";
import type { Endpoint } from "../lab/endpoints.ts";
import { findTarget, type Sender } from "../lab/ends.ts";
import { workloadOf } from "../lab/reachability.ts";
import type { LabView } from "../lab/view.ts";
import type { Address } from "../net/address.ts";
import { moments, type Plan } from "../plan/model.ts";
import { packetTo } from "./reach.ts";
import { type Assertion, type AssertionFile, readAssertions } from "./read.ts";

type Entry = Readonly<Record<string, unknown>> & { readonly name: string };

/** So many pairs are written down; a design of a hundred workloads has more than anybody reads. */
const mostPairs = 60;

/** `design`: as the file is to name it. `holds`: whether an assertion is true, so that nothing that is not gets into the file. */
export function starterFile(
  view: LabView,
  plan: Plan,
  design: readonly string[],
  holds: (file: AssertionFile, one: Assertion) => boolean,
): string {
  const entries = [...outward(view), ...inward(view), ...rooms(plan), ranges()];
  const document = { design: design.length === 1 ? design[0] : design, assertions: entries };
  const text = (list: readonly Entry[]) => stringify({ ...document, assertions: list }, { lineWidth: 0, aliasDuplicateObjects: false });
  const [file] = readAssertions({ path: "starter", text: text(entries) }).files;
  if (file === undefined) throw new Error("a file that is written here can be read");
  const kept = entries.filter((_, index) => {
    const assertion = file.assertions[index];
    return assertion !== undefined && holds(file, assertion);
  });
  return `# What is true of the design now. Keep what must stay true, say why (because: …), and throw out the rest: docs/test.md.
${text(kept)}`;
}

/** One of each workload. */
function workloads(view: LabView): readonly { readonly end: string; readonly endpoint: Endpoint }[] {
  const found = new Map<string, { readonly end: string; readonly endpoint: Endpoint }>();
  for (const endpoint of view.endpoints) {
    if (endpoint.pod === undefined || endpoint.pod.spec.hostNetwork === true) continue;
    const { cluster = "", namespace = "default" } = endpoint;
    const end = `${cluster}:${namespace}/${workloadOf(view, endpoint)}`;
    if (!found.has(end)) found.set(end, { end, endpoint });
  }
  return [...found.values()];
}

function outward(view: LabView): readonly Entry[] {
  const others = view.endpoints.filter(({ kind, listens }) => kind !== "pod" && kind !== "node" && listens.length > 0);
  return workloads(view)
    .flatMap(({ end, endpoint }) => others.map((other) => pair(view, end, endpoint, `${other.label}:${portOf(other)}`)))
    .slice(0, mostPairs)
    .flatMap((entry) => entry ?? []);
}

function inward(view: LabView): readonly Entry[] {
  const senders = view.endpoints.filter(({ kind }) => kind === "vm" || kind === "site" || kind === "internet");
  const services = [...view.topology.clusters.values()].flatMap(({ name, services: all }) =>
    all.flatMap(({ metadata, spec, status }) => {
      const [port] = spec.ports ?? [];
      if (port === undefined || (status?.loadBalancer?.ingress ?? []).length === 0) return [];
      return [`${name}:${metadata.namespace ?? "default"}/svc/${metadata.name}:${port.port}`];
    }),
  );
  const pods = workloads(view).flatMap(({ end, endpoint }) => (endpoint.listens.length === 0 ? [] : [`${end}:${portOf(endpoint)}`]));
  return senders
    .flatMap((sender) => [...services, ...(sender.kind === "internet" ? [] : pods)].map((to) => pair(view, sender.label, sender, to)))
    .slice(0, mostPairs)
    .flatMap((entry) => entry ?? []);
}

function portOf({ listens }: Endpoint): string {
  const [first] = listens;
  return first === undefined ? "" : `${first.port}${first.protocol === "udp" ? "/udp" : ""}`;
}

function pair(view: LabView, from: string, endpoint: Endpoint, to: string): Entry | undefined {
  const sender: Sender = { ...endpoint };
  const target = findTarget(view, to, { sender });
  if ("problem" in target) return undefined;
  const paths = view.tracer.trace(sender.host, packetTo(target.found, undefined), { steps: false });
  if (paths.some(({ outcome }) => outcome !== "delivered")) {
    const outcomes = [...new Set(paths.map(({ outcome }) => outcome))];
    return { name: `${from} does not reach ${to}`, from, to, outcome: outcomes.length === 1 ? outcomes[0] : outcomes };
  }
  const sees = [...new Set(paths.flatMap(({ received }) => (received === undefined ? [] : [seenAs(view, received.source, sender)])))];
  return { name: `${from} reaches ${to}`, from, to, ...(sees.length === 0 ? {} : { sees: sees.length === 1 ? sees[0] : sees }) };
}

/** The word that will still be true when addresses are others. */
function seenAs(view: LabView, seen: Address, { address }: Sender): string {
  if (seen === address) return "sender";
  const owner = view.owners.get(seen)?.owner;
  if (owner === undefined) return seen;
  return view.endpointsBy.label.get(owner)?.[0]?.kind === "node" ? "node" : owner;
}

/** At the latest moment at which there is room. */
function rooms(plan: Plan): readonly Entry[] {
  return plan.networks.flatMap(({ subnets }) =>
    subnets.flatMap(({ name, budget }): readonly Entry[] => {
      const left = plan.budgets.find(({ id }) => id === budget)?.left;
      const at = moments.filter((moment) => moment !== "maxUpgradeAll").findLast((moment) => (left?.[moment] ?? -1) >= 0);
      return at === undefined ? [] : [{ name: `there is room in ${name}`, subnet: name, free: ">= 0", at }];
    }),
  );
}

function ranges(): Entry {
  return { name: "no range is used twice", disjoint: ["networks", "podCidrs", "serviceCidrs", "sites"] };
}
