/** Clusters by chance with Azure CNI Overlay, with pod subnets and with a CNI plugin of their own, for one VNet of a lab. */

import { Chance } from "../../src/lab/check.ts";
import { randomSecurityGroups } from "./random-security-groups.ts";

type RandomOptions = {
  readonly subnets: readonly string[];
  readonly clusters: readonly string[];
  readonly routeTables: readonly string[];
  readonly securityGroups: readonly string[];
  readonly manifests: Readonly<Record<string, string>>;
};

/** What runs on so many nodes. */
type Manifest = (chance: Chance, nodes: number) => string;

/** `base`: the first two numbers of the VNet's addresses. */
export function randomOptions(seed: number, vnet: number, base: string, manifest: Manifest): RandomOptions {
  const overlays = overlayClusters(
    new Chance((seed * 2 + vnet) ^ 0x6f7665),
    new Chance((seed * 2 + vnet) ^ 0x77696e),
    vnet,
    base,
    manifest,
  );
  const podSubnets = podSubnetCluster(new Chance((seed * 2 + vnet) ^ 0x706f64), vnet, base, manifest);
  const own = byoCniCluster(new Chance((seed * 2 + vnet) ^ 0x636e69), new Chance((seed * 2 + vnet) ^ 0x706f7274), vnet, base, manifest);
  const subnets = [...overlays.subnets, ...podSubnets.subnets, ...own.subnets];
  const groups = randomSecurityGroups(new Chance((seed * 2 + vnet) ^ 0x6e7367), {
    subnets: subnets.map((text) => `v${vnet}/${/name: (\w+)/.exec(text)?.[1]}`),
    machines: [],
    memberships: [],
    prefixes: [
      "203.0.113.0/24",
      "10.200.0.0/20",
      "10.210.0.0/20",
      `${base}.200.0/28`,
      `${base}.203.0/25`,
      `${base}.203.128/25`,
      `${base}.205.0/28`,
      "10.230.0.0/20",
      `${base}.0.0/16`,
    ],
  });
  return {
    subnets,
    clusters: [...overlays.clusters, ...podSubnets.clusters, ...own.clusters],
    routeTables: podSubnets.routeTables,
    securityGroups: groups.map((text) => text.replace("name: subnet", `name: options${vnet}-`)),
    manifests: { ...overlays.manifests, ...podSubnets.manifests, ...own.manifests },
  };
}

/** A second pool, of Windows nodes, in one of four clusters. */
export function windowsPool(chance: Chance): string {
  return chance.below(4) === 0 ? ", { name: win, osType: Windows, count: 1, maxPods: 30 }" : "";
}

/** Two with the same pod CIDR, sometimes in the same subnet: the fabric tells them apart by who sends. */
function overlayClusters(
  chance: Chance,
  windows: Chance,
  vnet: number,
  base: string,
  manifest: Manifest,
): Omit<RandomOptions, "routeTables" | "securityGroups"> {
  const subnets: string[] = [];
  const clusters: string[] = [];
  const manifests: Record<string, string> = {};
  const count = chance.below(3);
  for (let index = 0; index < count; index++) {
    const name = `o${vnet}${index}`;
    const subnet = `o${chance.below(index + 1)}`;
    const nodes = 1 + chance.below(2);
    if (subnet === `o${index}`) subnets.push(`{ name: ${subnet}, prefix: ${base}.201.${32 * index}/28 }`);
    clusters.push(
      `  - { name: ${name}, networkPlugin: azure, networkPluginMode: overlay, subnet: v${vnet}/${subnet}, podCidr: 10.2${chance.below(2)}0.0.0/20, serviceCidr: 172.21.${10 * vnet + index}.0/24, dnsServiceIP: 172.21.${10 * vnet + index}.10, pools: [{ name: p, count: ${nodes} }${windowsPool(windows)}], manifests: [${name}.yaml] }`,
    );
    manifests[`${name}.yaml`] = manifest(chance, nodes);
  }
  return { subnets, clusters, manifests };
}

/** Pools with a pod subnet each, or one for both; addresses in batches or in blocks; sometimes with routes of the pods' own. */
function podSubnetCluster(chance: Chance, vnet: number, base: string, manifest: Manifest): Omit<RandomOptions, "securityGroups"> {
  if (chance.below(2) === 0) return { subnets: [], clusters: [], routeTables: [], manifests: {} };
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const name = `p${vnet}`;
  const isShared = chance.below(2) === 0;
  const modes = [0, 1].map(() => pick(["DynamicIndividual", "StaticBlock"]));
  const pools = modes.map(
    (mode, index) =>
      `{ name: p${index}, count: ${1 + chance.below(2)}, maxPods: 30, podSubnet: v${vnet}/pods${isShared ? 0 : index}, podIPAllocationMode: ${isShared ? modes[0] : mode} }`,
  );
  const podSubnets = (isShared ? [0] : [0, 1]).map((index) => `{ name: pods${index}, prefix: ${base}.203.${128 * index}/25 }`);
  const dropped = pick(["203.0.113.0/24", "192.168.0.0/16", `${base}.200.0/28`]);
  return {
    subnets: [`{ name: pn, prefix: ${base}.202.0/28 }`, ...podSubnets],
    clusters: [
      `  - { name: ${name}, networkPlugin: azure, subnet: v${vnet}/pn, serviceCidr: 172.22.${vnet}.0/24, dnsServiceIP: 172.22.${vnet}.10, pools: [${pools.join(", ")}], manifests: [${name}.yaml] }`,
    ],
    routeTables:
      chance.below(2) === 0
        ? []
        : [`  - { name: pods${vnet}, subnets: [v${vnet}/pods0], routes: [{ name: r, addressPrefix: ${dropped}, nextHopType: None }] }`],
    manifests: { [`${name}.yaml`]: manifest(chance, 3) },
  };
}

/** A bridge or links of their own, sometimes with the node's address for what leaves it, sometimes with a way to some of the world only. */
function byoCniCluster(
  chance: Chance,
  ports: Chance,
  vnet: number,
  base: string,
  manifest: Manifest,
): Omit<RandomOptions, "routeTables" | "securityGroups"> {
  if (chance.below(2) === 0) return { subnets: [], clusters: [], manifests: {} };
  const name = `b${vnet}`;
  const nodes = 1 + chance.below(2);
  const routes = chance.below(3) === 0 ? `${base}.0.0/16` : "0.0.0.0/0";
  const plugin = {
    ...(chance.below(2) === 0 ? { type: "ptp" } : { type: "bridge", isGateway: true, hairpinMode: ports.below(2) === 0 }),
    ipMasq: chance.below(3) > 0,
    ipam: { type: "host-local", ranges: [[{ subnet: "usePodCidr" }]], routes: [{ dst: routes }] },
  };
  const conflist = JSON.stringify({
    cniVersion: "1.0.0",
    name: "own",
    plugins: [plugin, { type: "portmap", capabilities: { portMappings: true } }],
  });
  const config = `---
apiVersion: v1
kind: ConfigMap
metadata: { name: cni-config, namespace: kube-system }
data: { 10-own.conflist: '${conflist}' }
`;
  return {
    subnets: [`{ name: b0, prefix: ${base}.205.0/28 }`],
    clusters: [
      `  - { name: ${name}, networkPlugin: none, subnet: v${vnet}/b0, podCidr: 10.230.0.0/20, serviceCidr: 172.23.${vnet}.0/24, dnsServiceIP: 172.23.${vnet}.10, pools: [{ name: p, count: ${nodes} }], manifests: [${name}.yaml] }`,
    ],
    manifests: { [`${name}.yaml`]: `${manifest(chance, nodes)}${config}` },
  };
}

/** In one of three clusters with node subnet, a virtual node with a Deployment on it. */
export function virtualNode(chance: Chance, vnet: number, index: number, base: string) {
  if (chance.below(3) > 0) return { subnets: [], profile: "", manifest: "" };
  const name = `aci${index}`;
  return {
    subnets: [`{ name: ${name}, prefix: ${base}.204.${16 * index}/28, delegations: [Microsoft.ContainerInstance/containerGroups] }`],
    profile: `addonProfiles: { aciConnectorLinux: { config: { SubnetName: ${name} } } }, `,
    manifest: `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: burst${vnet} }
spec: { replicas: ${1 + chance.below(2)}, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { nodeSelector: { type: virtual-kubelet }, tolerations: [{ key: virtual-kubelet.io/provider, operator: Exists }], containers: [{ name: main, image: any, ports: [{ containerPort: 80, name: http }, { containerPort: 53, protocol: UDP, name: dns }] }] } } }
`,
  };
}
