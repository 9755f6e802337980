/** The objects of one cluster's manifests together: what none of them shows alone. */

import { knownTags, serviceTag, serviceTagDocs } from "../arm/service-tags.ts";
import { runningContainers } from "../kube/containers.ts";
import { builtInNamespaces } from "../kube/kinds/index.ts";
import type { ClusterFacts } from "../kube/kinds/kind.ts";
import { loadBalancerAccess } from "../kube/load-balancer-access.ts";
import type { Pod, ReplicaSpec, Service } from "../kube/objects.ts";
import { matchesLabels } from "../kube/selectors.ts";
import { checkInCluster, located, type Placed } from "./manifests.ts";
import { Suggestions } from "./nearest.ts";
import { type Finding, formatValue, type Path, type Problem } from "./problem.ts";

/** AKS docs name 200,000 and 250,000 for the largest cluster (aks:best-practices-performance-scale-large.md, aks:plan-pod-networking.md). */
const maxPods = 250_000;
/** learn:azure, includes/container-service-limits.md. */
const maxBalanced = 300;

export class ClusterObjects {
  readonly #cluster: string;
  readonly #report: (problem: Problem) => void;
  readonly #byPath = new Map<string, Placed>();

  constructor(cluster: string, report: (problem: Problem) => void) {
    this.#cluster = cluster;
    this.#report = report;
  }

  /** The same object twice is one object; two different ones of a name are a problem. */
  add(placed: Placed): void {
    const { kind, metadata } = placed.object;
    const path = `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
    const first = this.#byPath.get(path);
    if (first === undefined) this.#byPath.set(path, placed);
    else if (JSON.stringify(first.object) !== JSON.stringify(placed.object)) {
      const { file, line } = located(first.source, first.path, { code: "", message: "" });
      this.#complain(placed, ["metadata", "name"], {
        code: "AlreadyExists",
        value: metadata.name,
        message: `${kind} ${formatValue(metadata.name)} is already at ${file}:${line ?? 1}, with other content: the second would replace the first`,
        fix: "give one of them another name or namespace, or leave one out",
      });
    }
  }

  finish(facts: ClusterFacts): readonly Placed[] {
    const all = [...this.#byPath.values()];
    this.#checkNamespaces(all);
    for (const placed of all) checkInCluster(placed, facts, this.#report);
    this.#checkServices(all);
    this.#checkSize(all);
    return all;
  }

  #complain(placed: Placed, path: Path, finding: Finding): void {
    this.#report(located(placed.source, [...placed.path, ...path], finding));
  }

  #checkNamespaces(all: readonly Placed[]): void {
    const names = new Set(builtInNamespaces);
    const suggestions = new Suggestions();
    for (const { object } of all) if (object.kind === "Namespace") names.add(object.metadata.name);
    const known = [...names];
    for (const placed of all) {
      const { namespace } = placed.object.metadata;
      if (namespace === undefined || names.has(namespace)) continue;
      this.#complain(placed, ["metadata", "namespace"], {
        code: "NotFound",
        value: namespace,
        message: `namespaces ${JSON.stringify(namespace)} not found in cluster ${this.#cluster}${suggestions.didYouMean(namespace, known)}`,
        source: "the API server makes no namespaces by itself",
        fix: `add an object of kind: Namespace with metadata.name: ${namespace} to a manifest`,
      });
    }
  }

  /** A tag that is unknown here is not let in, which Azure would do. */
  #checkServiceTags(placed: Placed, service: Service): void {
    const unknown = loadBalancerAccess(service).serviceTags.find((tag) => serviceTag(tag) === undefined);
    if (unknown === undefined) return;
    this.#complain(placed, ["metadata", "annotations", "service.beta.kubernetes.io/azure-allowed-service-tags"], {
      code: "NotModelled",
      value: unknown,
      message: `service tag ${formatValue(unknown)} is not known here: Azure's own services are not in a lab, and their addresses change every week`,
      source: serviceTagDocs,
      fix: `use azure-allowed-ip-ranges, or one of ${knownTags.join(", ")}`,
    });
  }

  #checkServices(all: readonly Placed[]): void {
    const services = all.flatMap((placed) => (placed.object.kind === "Service" ? [{ placed, service: placed.object as Service }] : []));
    const pods = new Templates(all);
    const addresses = new Map<string, string>();
    const nodePorts = new Map<string, string>();
    let balanced = 0;
    for (const { placed, service } of services) {
      const name = `${service.metadata.namespace}/${service.metadata.name}`;
      this.#checkServiceTags(placed, service);
      const { clusterIP, ports = [], type } = service.spec;
      if (clusterIP !== undefined && clusterIP !== "None") {
        const other = addresses.get(clusterIP);
        if (other === undefined) addresses.set(clusterIP, name);
        else {
          this.#complain(placed, ["spec", "clusterIP"], {
            code: "FieldValueInvalid",
            value: clusterIP,
            message: `failed to allocate IP ${clusterIP}: it is Service ${other}'s in cluster ${this.#cluster}`,
            fix: "leave clusterIP out, and one is chosen",
          });
        }
      }
      const own = ports.flatMap((port, index) =>
        port.nodePort === undefined ? [] : [{ at: ["spec", "ports", index, "nodePort"], port: port.nodePort }],
      );
      if (service.spec.healthCheckNodePort !== undefined)
        own.push({ at: ["spec", "healthCheckNodePort"], port: service.spec.healthCheckNodePort });
      for (const { at, port } of own) {
        // Ports of one Service may share a number when their protocols differ, which is checked with the Service.
        const other = nodePorts.get(String(port));
        if (other === undefined) nodePorts.set(String(port), name);
        else if (other !== name) {
          this.#complain(placed, at, {
            code: "FieldValueInvalid",
            value: port,
            message: `provided port is already allocated: ${port} is Service ${other}'s in cluster ${this.#cluster}`,
            fix: "leave it out, and one is chosen",
          });
        }
      }
      if (type === "LoadBalancer") balanced++;
      this.#checkTargets(placed, service, pods);
      if (balanced === maxBalanced + 1 && type === "LoadBalancer") {
        this.#complain(placed, ["spec", "type"], {
          code: "QuotaExceeded",
          value: type,
          message: `cluster ${this.#cluster} has more than ${maxBalanced} Services of type LoadBalancer`,
          source: "azdocs:includes/container-service-limits.md",
          fix: "use type: ClusterIP for some",
        });
      }
    }
  }

  /** A stand-in listens on declared ports only, where a real container listens on what it likes. */
  #checkTargets(placed: Placed, service: Service, pods: Templates): void {
    const { selector = {}, ports = [], type } = service.spec;
    if (Object.keys(selector).length === 0 || type === "ExternalName") return;
    const picked = pods.picked(service.metadata.namespace ?? "", selector);
    if (picked.count === 0) return;
    for (const [index, port] of ports.entries()) {
      const target = port.targetPort ?? port.port;
      const protocol = port.protocol ?? "TCP";
      if (picked.listens.has(`${typeof target} ${target}/${protocol}`)) continue;
      const more = picked.count > picked.owners.length ? ` and ${picked.count - picked.owners.length} more` : "";
      const owners = picked.owners.join(", ") + more;
      this.#complain(placed, ["spec", "ports", index], {
        code: "NobodyListens",
        severity: "warning",
        value: target,
        message: `target port ${target}/${protocol} is declared by no container of ${owners}: stand-ins listen on declared ports only, so nobody answers`,
        fix: typeof target === "number" ? `add containerPort: ${target} to the container` : `name a containerPort ${target}`,
      });
    }
  }

  #checkSize(all: readonly Placed[]): void {
    let pods = 0;
    for (const placed of all) {
      const { object } = placed;
      if (!["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"].includes(object.kind)) continue;
      const { replicas = 1 } = (object as typeof object & { readonly spec: ReplicaSpec }).spec;
      pods += replicas;
      if (pods <= maxPods) continue;
      this.#complain(placed, ["spec", "replicas"], {
        code: "LabTooLarge",
        value: replicas,
        message: `with these ${replicas} cluster ${this.#cluster} would have ${pods} pods; the largest AKS cluster runs ${maxPods}`,
        source: "aks:plan-pod-networking.md",
        fix: "use fewer replicas",
      });
      return;
    }
  }
}

type Template = {
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `number 80/TCP`, `string http/TCP`: a port's number is not the name that looks like it. */
  readonly listens: readonly string[];
};

/** What a selector picks: how many, the first few, and what is listened on. */
type Picked = { readonly count: number; readonly owners: readonly string[]; readonly listens: ReadonlySet<string> };

const shownOwners = 3;

/** Pods and templates of pods, found by a selector without looking at all of them. Objects here have been checked, which the casts rely on. */
class Templates {
  /** By namespace, then by `key=value` of a label. */
  readonly #byLabel = new Map<string, Template[]>();
  readonly #picked = new Map<string, Picked>();

  constructor(all: readonly Placed[]) {
    for (const { object } of all) {
      const isTemplate = ["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet"].includes(object.kind);
      if (!isTemplate && object.kind !== "Pod") continue;
      const template = isTemplate ? (object as typeof object & { readonly spec: ReplicaSpec }).spec.template : (object as Pod);
      const labels = template.metadata?.labels ?? {};
      const entry: Template = {
        owner: `${object.kind} ${object.metadata.name}`,
        labels,
        listens: runningContainers(template.spec).flatMap((container) =>
          (container.ports ?? []).flatMap(({ containerPort, name, protocol = "TCP" }) => [
            `number ${containerPort}/${protocol}`,
            ...(name === undefined ? [] : [`string ${name}/${protocol}`]),
          ]),
        ),
      };
      for (const [key, value] of Object.entries(labels)) {
        const place = labelPlace(object.metadata.namespace ?? "", key, value);
        const list = this.#byLabel.get(place);
        if (list === undefined) this.#byLabel.set(place, [entry]);
        else list.push(entry);
      }
    }
  }

  picked(namespace: string, selector: Readonly<Record<string, string>>): Picked {
    const places = Object.entries(selector)
      .map(([key, value]) => labelPlace(namespace, key, value))
      .sort();
    const name = places.join("\n");
    const known = this.#picked.get(name);
    if (known !== undefined) return known;
    // Whatever the selector picks is in each of these lists, so also in the shortest.
    let candidates: readonly Template[] | undefined;
    for (const place of places) {
      const list = this.#byLabel.get(place) ?? [];
      if (candidates === undefined || list.length < candidates.length) candidates = list;
    }
    const templates = (candidates ?? []).filter(({ labels }) => matchesLabels(selector, labels));
    const picked = {
      count: templates.length,
      owners: templates.slice(0, shownOwners).map(({ owner }) => owner),
      listens: new Set(templates.flatMap(({ listens }) => listens)),
    };
    this.#picked.set(name, picked);
    return picked;
  }
}

function labelPlace(namespace: string, key: string, value: string): string {
  return `${namespace} ${key}=${value}`;
}
