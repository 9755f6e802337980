/**
 * Which destinations a node leaves a pod's source address alone for: the configuration of ip-masq-agent as AKS merges it.
 * Sources: ip-masq-agent, cmd/ip-masq-agent/ip-masq-agent.go; azure-container-networking, azure-ip-masq-merger/README.md; AKS issue 2653.
 */

import { type Prefix, parsePrefix } from "../net/prefix.ts";
import type { ConfigMap } from "./objects.ts";
import { parseShallowYaml } from "./shallow-yaml.ts";

/** Both maps are in kube-system, under this key. The first is the user's, the second is kept by AKS. */
export const masqueradeNamespace = "kube-system";
export const masqueradeKey = "ip-masq-agent";
export const userMasqueradeMap = "azure-ip-masq-agent-config";
export const reconciledMasqueradeMap = "azure-ip-masq-agent-config-reconciled";

/** ip-masq-agent's own, when nothing is configured or the configured list is empty (AKS issue 2653). */
const defaultCidrs: readonly string[] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
/** ip-masq-agent's limit: its iptables rules are evaluated one by one. */
const maxCidrs = 64;

export type Masquerade = {
  /** Destinations that see the pod's own address. */
  readonly nonMasqueradeCidrs: readonly Prefix[];
  /** True: 169.254.0.0/16 sees the node's address too. */
  readonly masqLinkLocal: boolean;
  /** Maps that were ignored, and why. */
  readonly problems: readonly { readonly map: ConfigMap; readonly message: string }[];
};

type Config = { readonly cidrs: readonly Prefix[]; readonly masqLinkLocal: boolean };

/** The effect of all maps together: lists are appended, booleans or-ed, and a map that does not parse counts for nothing. */
export function effectiveMasquerade(maps: readonly ConfigMap[]): Masquerade {
  const configs: Config[] = [];
  const problems: { map: ConfigMap; message: string }[] = [];
  for (const map of [...maps].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const config = configOf(map);
    if (typeof config === "string") problems.push({ map, message: config });
    else configs.push(config);
  }
  const cidrs = [...new Set(configs.flatMap((config) => config.cidrs))];
  return {
    nonMasqueradeCidrs: cidrs.length > 0 ? cidrs : defaultCidrs.flatMap((cidr) => parsePrefix(cidr) ?? []),
    masqLinkLocal: configs.some((config) => config.masqLinkLocal),
    problems,
  };
}

/** The text of a map as AKS writes it. */
export function formatMasqueradeConfig(cidrs: readonly Prefix[]): string {
  return `nonMasqueradeCIDRs:\n${cidrs.map((cidr) => `- ${cidr}\n`).join("")}masqLinkLocal: true\nresyncInterval: 60s\n`;
}

/** Every node reads the same maps: each is parsed once. */
const parsed = new WeakMap<ConfigMap, Config | string>();

/** The configuration, or what is wrong with it. */
function configOf(map: ConfigMap): Config | string {
  let config = parsed.get(map);
  if (config === undefined) {
    config = parseConfig(map);
    parsed.set(map, config);
  }
  return config;
}

function parseConfig(map: ConfigMap): Config | string {
  const text = map.data?.[masqueradeKey];
  if (text === undefined) return `has no key "${masqueradeKey}"`;
  const value = parseShallowYaml(text);
  if (value instanceof Error) return `key "${masqueradeKey}" is neither YAML nor JSON: ${value.message}`;
  if (value === null) return { cidrs: [], masqLinkLocal: false };
  if (typeof value !== "object" || Array.isArray(value)) return `key "${masqueradeKey}" is not a mapping with nonMasqueradeCIDRs`;
  const fields = new Map<string, unknown>(Object.entries(value));
  const list = fields.get("nonMasqueradeCIDRs") ?? [];
  const linkLocal = fields.get("masqLinkLocal") ?? false;
  if (!Array.isArray(list)) return "nonMasqueradeCIDRs is not a list";
  if (typeof linkLocal !== "boolean") return `masqLinkLocal is ${JSON.stringify(linkLocal)}, not true or false`;
  if (list.length > maxCidrs) return `nonMasqueradeCIDRs has ${list.length} entries; ip-masq-agent takes at most ${maxCidrs}`;
  const cidrs: Prefix[] = [];
  for (const entry of list) {
    const prefix = typeof entry === "string" ? parsePrefix(entry) : undefined;
    if (prefix === undefined) return `nonMasqueradeCIDRs has ${JSON.stringify(entry)}, which is no CIDR with all host bits zero`;
    cidrs.push(prefix);
  }
  return { cidrs, masqLinkLocal: linkLocal };
}
