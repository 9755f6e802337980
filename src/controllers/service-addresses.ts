/**
 * Gives Services what they left open: cluster addresses, node ports, health-check node ports. What a Service has, it keeps: the allocations are in
 * the objects themselves.
 *
 * Kubernetes picks at random; here the lowest free one is taken, from the upper band first, so that explicit choices, which people make low,
 * are not in the way (k8s docs, cluster-ip-allocation; KEP-3070, KEP-3668).
 */

import type { ManagedCluster } from "../arm/resources.ts";
import { ipFamiliesOf } from "../kube/ip-families.ts";
import type { Service, ServicePort } from "../kube/objects.ts";
import { addressFrom, addressValue, formatIpv4, ipv4Number, parseAddress } from "../net/address.ts";
import { addressOf, type Prefix, parsePrefix, prefixContains, sizeOf } from "../net/prefix.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { ipv6PrefixOf } from "./ipv6-addresses.ts";
import { perCluster } from "./memo.ts";
import { listKube, sameJson, Writes } from "./view.ts";

/** KEP-3070: addresses at the beginning of a range that are given out last. */
const largestBand = 256;
const firstNodePort = 30000;
const lastNodePort = 32767;
/** KEP-3668: min(max(16, n/32), 128) of the n = 2,768 ports. */
const staticNodePorts = 86;

const reasons = [
  "ClusterIPOutOfRange",
  "ClusterIPAlreadyAllocated",
  "ClusterIPNotAllocated",
  "PortAlreadyAllocated",
  "PortNotAllocated",
] as const;

export const serviceAddresses = perCluster("service-addresses", (resources, cluster) => {
  const writes = new Writes(resources);
  const services = listKube(resources, cluster, "Service");
  const warnings: Warning[] = [];
  const warn = (service: Service, reason: (typeof reasons)[number], message: string) => {
    const { namespace = "", name } = service.metadata;
    warnings.push({ reason, message, involvedObject: { kind: "Service", namespace, name } });
  };

  // First what is there, then what is missing: nobody gets what another one has.
  const addresses = new ClusterAddresses(cluster);
  const families = cluster.properties.networkProfile.ipFamilies ?? ["IPv4"];
  const ipv6Addresses = families.includes("IPv6") ? new Ipv6ClusterAddresses(cluster) : undefined;
  const ports = new Numbers(firstNodePort, lastNodePort - firstNodePort + 1, staticNodePorts);
  for (const service of services) {
    const { clusterIP, clusterIPs = clusterIP === undefined ? [] : [clusterIP] } = service.spec;
    for (const text of clusterIPs.filter(isAddress)) {
      const problem =
        (text.includes(":") ? ipv6Addresses : undefined)?.claim(text) ?? (text.includes(":") ? undefined : addresses.claim(text));
      if (problem !== undefined) warn(service, problem.reason, problem.message);
    }
    for (const port of takenPorts(service)) {
      if (!ports.claim(port)) warn(service, "PortAlreadyAllocated", `node port ${port} is another Service's`);
    }
  }
  for (const service of services) {
    const { spec } = service;
    let next = spec;
    if (ipv6Addresses !== undefined) {
      next = withFamilies(service, families, (family) => (family === "IPv6" ? ipv6Addresses.take() : addresses.take(service)));
      if (spec.type !== "ExternalName" && next.clusterIP === undefined) warn(service, "ClusterIPNotAllocated", addresses.describe());
    } else if (needsAddress(service)) {
      const clusterIP = addresses.take(service);
      if (clusterIP === undefined) warn(service, "ClusterIPNotAllocated", addresses.describe());
      else next = { ...next, clusterIP };
    }
    if (needsNodePorts(service)) {
      const given = withNodePorts(spec.ports ?? [], ports);
      if (given.some((port) => port.nodePort === undefined)) warn(service, "PortNotAllocated", `all ${ports.count} node ports are in use`);
      next = { ...next, ports: given };
    }
    if (needsHealthCheck(service) && spec.healthCheckNodePort === undefined) {
      const healthCheckNodePort = ports.take();
      if (healthCheckNodePort === undefined) warn(service, "PortNotAllocated", `all ${ports.count} node ports are in use`);
      else next = { ...next, healthCheckNodePort };
    }
    if (next !== spec) {
      const filled: Service = { ...service, spec: next };
      writes.putKube(cluster, filled);
    }
  }
  syncWarnings(resources, writes, cluster, reasons, warnings);
  return writes.list;
});

/** In a dual-stack cluster: the families of the Service, and its address of each. */
function withFamilies(
  service: Service,
  ofCluster: readonly ("IPv4" | "IPv6")[],
  take: (family: "IPv4" | "IPv6") => string | undefined,
): Service["spec"] {
  const { spec } = service;
  if (spec.type === "ExternalName") return spec;
  const families = ipFamiliesOf(service, ofCluster);
  const before = spec.clusterIPs ?? (spec.clusterIP === undefined || spec.clusterIP === "" ? [] : [spec.clusterIP]);
  const clusterIPs =
    spec.clusterIP === "None"
      ? ["None"]
      : families.ipFamilies.flatMap((family) => before.find((text) => text.includes(":") === (family === "IPv6")) ?? take(family) ?? []);
  const [clusterIP] = clusterIPs;
  const next = { ...spec, ...families, ...(clusterIP === undefined ? {} : { clusterIP, clusterIPs }) };
  return sameJson(spec, next) ? spec : next;
}

function isAddress(clusterIP: string): boolean {
  return clusterIP !== "None" && clusterIP !== "";
}

function needsAddress({ spec }: Service): boolean {
  return spec.type !== "ExternalName" && (spec.clusterIP === undefined || spec.clusterIP === "");
}

function needsNodePorts({ spec }: Service): boolean {
  const isWanted = spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
  return isWanted && spec.ports?.some((port) => port.nodePort === undefined) === true;
}

function needsHealthCheck({ spec }: Service): boolean {
  return spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
}

/** Ports of one Service that differ in protocol only may share a node port. */
function takenPorts({ spec }: Service): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const { nodePort } of spec.ports ?? []) if (nodePort !== undefined) ports.add(nodePort);
  if (spec.healthCheckNodePort !== undefined) ports.add(spec.healthCheckNodePort);
  return ports;
}

/** A port gets the node port of its twin of another protocol, as the API server does it. */
function withNodePorts(ports: readonly ServicePort[], free: Numbers): readonly ServicePort[] {
  const given: ServicePort[] = [];
  for (const port of ports) {
    const twin = [...given, ...ports].find(
      (other) => other.port === port.port && (other.protocol ?? "TCP") !== (port.protocol ?? "TCP") && other.nodePort !== undefined,
    );
    const nodePort = port.nodePort ?? twin?.nodePort ?? free.take();
    given.push(nodePort === undefined ? port : { ...port, nodePort });
  }
  return given;
}

type Problem = { readonly reason: (typeof reasons)[number]; readonly message: string };

/** The service CIDR. */
class ClusterAddresses {
  readonly #cidr: string;
  readonly #network: number;
  readonly #numbers: Numbers;
  readonly #dns: number | undefined;

  constructor(cluster: ManagedCluster) {
    const { serviceCidr, dnsServiceIP } = cluster.properties.networkProfile;
    const prefix = parsePrefix(serviceCidr);
    this.#cidr = serviceCidr;
    this.#network = (prefix === undefined ? undefined : ipv4Number(addressOf(prefix))) ?? 0;
    const size = prefix === undefined ? 2 : sizeOf(prefix);
    // Neither network nor broadcast. The static band is min(max(16, n/16), 256) of n addresses.
    const band = size < 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), largestBand);
    this.#numbers = new Numbers(this.#network + 1, size - 2, band);
    this.#dns = ipv4Number(dnsServiceIP);
    // Nobody gets these by chance: the first is for the API server, and this one for DNS.
    this.#numbers.reserve(this.#network + 1);
    if (this.#dns !== undefined) this.#numbers.reserve(this.#dns);
  }

  /** Of a Service that says which address it has. */
  claim(text: string): Problem | undefined {
    const address = ipv4Number(text);
    if (address === undefined || !this.#numbers.has(address)) {
      return { reason: "ClusterIPOutOfRange", message: `cluster IP ${text} is not within the service CIDR ${this.#cidr}` };
    }
    if (this.#numbers.claim(address)) return undefined;
    return { reason: "ClusterIPAlreadyAllocated", message: `cluster IP ${text} is another Service's` };
  }

  take({ metadata }: Service): string | undefined {
    const path = `${metadata.namespace}/${metadata.name}`;
    const own = path === "default/kubernetes" ? this.#network + 1 : path === "kube-system/kube-dns" ? this.#dns : undefined;
    const address = own !== undefined && this.#numbers.claim(own) ? own : this.#numbers.take();
    return address === undefined ? undefined : formatIpv4(address);
  }

  describe(): string {
    return `no cluster IP left: all ${this.#numbers.count} addresses of ${this.#cidr} (without network and broadcast) are in use or reserved`;
  }
}

/** The IPv6 range of Services: at least 2^20 addresses, given out from the lowest above the static band on. */
class Ipv6ClusterAddresses {
  readonly #cidr: Prefix | undefined;
  readonly #used = new Set<string>();
  #next: bigint;

  constructor(cluster: ManagedCluster) {
    this.#cidr = ipv6PrefixOf(cluster.properties.networkProfile.serviceCidrs ?? []);
    const network = this.#cidr === undefined ? 0n : addressValue(addressOf(this.#cidr));
    this.#next = network + 1n + BigInt(largestBand);
  }

  claim(text: string): Problem | undefined {
    const address = parseAddress(text);
    if (this.#cidr === undefined || address === undefined || !prefixContains(this.#cidr, address)) {
      return { reason: "ClusterIPOutOfRange", message: `cluster IP ${text} is not within the service CIDR ${this.#cidr}` };
    }
    if (this.#used.has(address)) return { reason: "ClusterIPAlreadyAllocated", message: `cluster IP ${text} is another Service's` };
    this.#used.add(address);
    return undefined;
  }

  take(): string | undefined {
    for (let address = addressFrom(6, this.#next++); this.#cidr !== undefined; address = addressFrom(6, this.#next++)) {
      if (!prefixContains(this.#cidr, address)) return undefined;
      if (this.claim(address) === undefined) return address;
    }
    return undefined;
  }
}

/** A run of numbers with a band at its start that is given out last. */
class Numbers {
  readonly count: number;
  readonly #first: number;
  readonly #band: number;
  readonly #used = new Set<number>();
  readonly #reserved = new Set<number>();
  #tried = 0;

  constructor(first: number, count: number, band: number) {
    this.#first = first;
    this.count = Math.max(count, 0);
    this.#band = Math.min(band, this.count);
  }

  has(number: number): boolean {
    return number >= this.#first && number < this.#first + this.count;
  }

  /** Takes this number; false when it is taken. */
  claim(number: number): boolean {
    if (this.#used.has(number)) return false;
    this.#used.add(number);
    return true;
  }

  /** Keeps a number for who claims it. */
  reserve(number: number): void {
    this.#reserved.add(number);
  }

  /** The lowest free one above the band, else the lowest free one in it. All claims come before. */
  take(): number | undefined {
    while (this.#tried < this.count) {
      const number = this.#first + ((this.#band + this.#tried++) % this.count);
      if (!this.#used.has(number) && !this.#reserved.has(number)) {
        this.#used.add(number);
        return number;
      }
    }
    return undefined;
  }
}
