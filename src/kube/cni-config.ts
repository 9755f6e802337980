/**
 * The configuration of a CNI plugin that somebody brings to a cluster whose nodes come without one. Nodes find it in /etc/cni/net.d; whoever installs
 * a plugin puts it there from a ConfigMap, so a ConfigMap is where it is read here: `cni-config` in kube-system, the first key by name that ends
 * in .conflist or .conf, as a node takes the first file.
 *
 * What a plugin does is modelled, not run: of the CNI project's plugins `bridge` and `ptp` with `host-local`, and those chained behind that change no
 * packet's way. Others are refused by name. https://www.cni.dev/docs/spec/, https://www.cni.dev/plugins/current/
 */

import { type Prefix, parsePrefix } from "../net/prefix.ts";
import type { ConfigMap } from "./objects.ts";

export const cniNamespace = "kube-system";
export const cniConfigMap = "cni-config";

export type CniConfig = {
  readonly name: string;
  /** How a pod is joined to its node: as a port of a bridge, or by a link of its own. */
  readonly type: "bridge" | "ptp";
  readonly bridge: string;
  /** What leaves the node's prefix gets the node's address. */
  readonly ipMasq: boolean;
  /** What comes by a port of the bridge can leave by it again, as a pod needs that reaches itself by a Service. */
  readonly returnsToSender: boolean;
  /** Destinations that pods reach by the first address of the node's prefix. */
  readonly routes: readonly Prefix[];
  /** Host ports are mapped; `snat`: what comes from the node's own pods is masqueraded. */
  readonly portmap?: { readonly snat: boolean };
};

export type CniProblem = { readonly code: "FieldValueInvalid" | "NotModelled"; readonly message: string; readonly fix?: string };

/** The configuration, or what is wrong with it. */
export type CniReading =
  | { readonly config: CniConfig; readonly problem?: never }
  | { readonly config?: never; readonly problem: CniProblem };

const readings = new WeakMap<ConfigMap, CniReading>();

/** Of the map `cni-config`. Remembered: every node reads the same one. */
export function readCniConfig(map: ConfigMap): CniReading {
  let reading = readings.get(map);
  if (reading === undefined) {
    reading = read(map);
    readings.set(map, reading);
  }
  return reading;
}

/** Strings of the specification's versions that plugins of today take. https://www.cni.dev/docs/spec/#released-versions */
const versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/** Chained plugins without effect on a packet's way. */
const withoutEffect = ["bandwidth", "firewall", "loopback"];

/** What host-local is given in place of a prefix to take the node's own, as kubelet writes it into Node.spec.podCIDR (Calico docs: host-local). */
const nodesOwn = "usePodCidr";

class Refusal extends Error {
  readonly code: CniProblem["code"];
  readonly fix: string | undefined;

  constructor(message: string, code: CniProblem["code"] = "FieldValueInvalid", fix?: string) {
    super(message);
    this.code = code;
    this.fix = fix;
  }
}

function read(map: ConfigMap): CniReading {
  try {
    return { config: configOf(map) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { code, message, fix } = error;
    return { problem: { code, message, ...(fix === undefined ? {} : { fix }) } };
  }
}

function configOf(map: ConfigMap): CniConfig {
  const [file] = Object.keys(map.data ?? {})
    .filter((key) => /\.(conflist|conf)$/.test(key))
    .sort();
  if (file === undefined) throw new Refusal("has no key that ends in .conflist or .conf");
  const list = new Fields(file, parsed(file, map.data?.[file] ?? ""));
  const version = list.text("cniVersion") ?? "0.1.0";
  if (!versions.includes(version)) throw new Refusal(`${file}: cniVersion ${version} is none of ${versions.join(", ")}`);
  const name = list.text("name");
  // https://www.cni.dev/docs/spec/#configuration-format: it starts with a letter or digit.
  if (name === undefined || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name))
    throw new Refusal(`${file}: name must be letters, digits, '_', '.' and '-', the first a letter or digit`);
  const plugins = file.endsWith(".conf") ? [list] : list.list("plugins");
  const [main, ...chained] = plugins;
  if (main === undefined) throw new Refusal(`${file}: plugins is empty`);
  const type = main.text("type");
  if (type !== "bridge" && type !== "ptp") {
    throw new Refusal(
      `${main.place}: plugin type ${type ?? "(none)"} is not modelled`,
      "NotModelled",
      "use bridge or ptp, with ipam type host-local",
    );
  }
  for (const plugin of chained) {
    const other = plugin.text("type") ?? "(none)";
    if (other !== "portmap" && !withoutEffect.includes(other)) {
      throw new Refusal(
        `${plugin.place}: plugin type ${other} is not modelled behind another`,
        "NotModelled",
        `leave it out; ${[...withoutEffect, "portmap"].join(", ")} may be there`,
      );
    }
  }
  const portmap = chained.find((plugin) => plugin.text("type") === "portmap");
  main.refuse(type === "bridge" ? ["vlan", "vlanTrunk", "macspoofchk", "portIsolation"] : []);
  const isDefaultGateway = main.flag("isDefaultGateway");
  const routes = routesOf(main.map("ipam"));
  if (main.flag("hairpinMode") && main.flag("promiscMode"))
    throw new Refusal(`${main.place}: hairpinMode and promiscMode cannot both be true`);
  if (type === "bridge" && !main.flag("isGateway") && !isDefaultGateway) {
    throw new Refusal(`${main.place}: a bridge without an address of its own is not modelled`, "NotModelled", "set isGateway: true");
  }
  return {
    name,
    type,
    bridge: bridgeName(main),
    ipMasq: main.flag("ipMasq"),
    returnsToSender: type === "ptp" || main.flag("hairpinMode") || main.flag("promiscMode"),
    routes: [...new Set(isDefaultGateway ? [everything, ...routes] : routes)],
    ...(portmap === undefined ? {} : portmapOf(portmap)),
  };
}

/** The runtime tells the plugin the ports of a pod only when it says that it takes them. https://www.cni.dev/plugins/current/meta/portmap/ */
function portmapOf(plugin: Fields): Pick<CniConfig, "portmap"> {
  plugin.refuse(["conditionsV4", "conditionsV6", "masqAll"]);
  const takesPorts = plugin.has("capabilities") && plugin.map("capabilities").flag("portMappings");
  return takesPorts ? { portmap: { snat: !plugin.has("snat") || plugin.flag("snat") } } : {};
}

function bridgeName(plugin: Fields): string {
  const name = plugin.text("bridge") ?? "cni0";
  // https://www.cni.dev/docs/spec/: what an interface may be called; eth0 and lo are the node's.
  if (!/^[^/:\s]{1,15}$/.test(name) || [".", "..", "eth0", "lo"].includes(name))
    throw new Refusal(`${plugin.place}.bridge: ${JSON.stringify(name)} is no name for a bridge`);
  return name;
}

/** https://www.cni.dev/plugins/current/ipam/host-local/ */
function routesOf(ipam: Fields): readonly Prefix[] {
  const type = ipam.text("type");
  if (type !== "host-local") {
    throw new Refusal(`${ipam.place}: ipam type ${type ?? "(none)"} is not modelled`, "NotModelled", "use host-local");
  }
  const ranges = ipam.has("ranges") ? ipam.lists("ranges").flat() : [ipam];
  const [range, second] = ranges;
  if (range === undefined) throw new Refusal(`${ipam.place}: no range of addresses is given`);
  if (second !== undefined) throw new Refusal(`${ipam.place}.ranges: several ranges are not modelled`, "NotModelled");
  range.refuse(["rangeStart", "rangeEnd", "gateway"]);
  const subnet = range.text("subnet");
  if (subnet !== nodesOwn) {
    throw new Refusal(
      `${range.place}.subnet: ${JSON.stringify(subnet ?? "")} is the same on every node, so nodes would give the same addresses`,
      "NotModelled",
      `write ${nodesOwn}, and give the cluster a podCidr: each node then has a prefix of it`,
    );
  }
  if (!ipam.has("routes")) return [];
  return ipam.list("routes").map((route) => {
    route.refuse(["gw"]);
    const text = route.text("dst") ?? "";
    const prefix = parsePrefix(text);
    if (prefix === undefined) throw new Refusal(`${route.place}.dst: ${JSON.stringify(text)} is no CIDR`);
    return prefix;
  });
}

const everything = parsePrefix("0.0.0.0/0") as Prefix;

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** One mapping of the configuration, read by the types that the plugins' documentation gives. */
class Fields {
  readonly place: string;
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(place: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Refusal(`${place} is no mapping`);
    this.place = place;
    this.#fields = new Map(Object.entries(value));
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  text(name: string): string | undefined {
    const value = this.#fields.get(name);
    if (value === undefined || typeof value === "string") return value;
    throw new Refusal(`${this.place}.${name}: ${JSON.stringify(value)} is no text`);
  }

  flag(name: string): boolean {
    const value = this.#fields.get(name) ?? false;
    if (typeof value === "boolean") return value;
    throw new Refusal(`${this.place}.${name}: ${JSON.stringify(value)} is neither true nor false`);
  }

  map(name: string): Fields {
    return new Fields(`${this.place}.${name}`, this.#fields.get(name));
  }

  list(name: string): readonly Fields[] {
    return this.#array(name).map((value, at) => new Fields(`${this.place}.${name}[${at}]`, value));
  }

  /** A list of lists. */
  lists(name: string): readonly (readonly Fields[])[] {
    return this.#array(name).map((inner, at) => {
      const place = `${this.place}.${name}[${at}]`;
      if (!Array.isArray(inner)) throw new Refusal(`${place} is no list`);
      return inner.map((value, index) => new Fields(`${place}[${index}]`, value));
    });
  }

  /** What would change a packet's way. False and zero do not. */
  refuse(names: readonly string[]): void {
    for (const name of names) {
      const value = this.#fields.get(name);
      if (value !== undefined && value !== false && value !== 0)
        throw new Refusal(`${this.place}.${name} is not modelled`, "NotModelled", `leave ${name} out`);
    }
  }

  #array(name: string): readonly unknown[] {
    const value = this.#fields.get(name);
    if (!Array.isArray(value)) throw new Refusal(`${this.place}.${name} is no list`);
    return value;
  }
}
