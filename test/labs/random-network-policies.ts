/** Network policies for clusters of random labs: an engine that goes with the network option, and policies over what the labs' manifests hold. */

import { Chance } from "../../src/lab/check.ts";
import { randomPolicies, type Vocabulary } from "../policies/random-policies.ts";

export const words: Vocabulary = {
  namespaces: ["default"],
  podLabels: { app: ["web", "host", "nobody"] },
  namespaceLabels: { "kubernetes.io/metadata.name": ["default", "kube-system"] },
  ports: [
    { port: 80 },
    { port: "http" },
    { port: 53, protocol: "UDP" },
    { port: "dns", protocol: "UDP" },
    { port: 80, endPort: 9000 },
    { port: 443 },
  ],
  blocks: [
    { cidr: "0.0.0.0/0" },
    { cidr: "10.0.0.0/8", except: ["10.40.200.0/28"] },
    { cidr: "203.0.113.0/24" },
    { cidr: "0.0.0.0/0", except: ["10.41.0.0/16", "192.168.0.0/16"] },
    { cidr: "10.40.0.0/16" },
  ],
};

/** Adds to the clusters (lines of a lab file) and to the manifests that they name. With a chance of its own. */
export function addNetworkPolicies(seed: number, clusters: string[], manifests: Record<string, string>): void {
  const chance = new Chance(seed ^ 0x70_11c7);
  for (const [index, line] of clusters.entries()) {
    const plugin = /networkPlugin: (\w+)/.exec(line)?.[1];
    // A plugin of one's own brings its own engine, or none.
    if (plugin === "none") continue;
    const file = /manifests: \[([^\],]+)\]/.exec(line)?.[1];
    // Cilium has no Windows nodes, and on those Azure's engine lacks much of what policies by chance say.
    const isLimited = plugin === "kubenet" || line.includes("osType: Windows");
    const all = ["none", "azure", "calico", "cilium, networkDataplane: cilium"];
    const engines = plugin === undefined ? [] : isLimited ? ["none", "calico"] : all;
    const engine = engines[chance.below(engines.length)];
    const policies = randomPolicies(chance, chance.below(4), words);
    const manifest = file === undefined ? undefined : manifests[file];
    if (file === undefined || manifest === undefined || engine === undefined) continue;
    clusters[index] = line.replace("manifests: [", `networkPolicy: ${engine}, manifests: [`);
    manifests[file] = [manifest.trimEnd(), ...policies.map((policy) => JSON.stringify(policy))].join("\n---\n");
  }
}
