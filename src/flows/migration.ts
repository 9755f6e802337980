/**
 * How a cluster gets another network option or data plane: in place, where Azure allows that, or by a new cluster beside it. Each step of a move in place leads from one
 * set of documents to the next, so that the same rules which judge a change of a running lab judge the steps (`refusedTransitions`), and the tracer says what is open in
 * between. Facts: AKS docs update-azure-cni, azure-cni-powered-by-cilium, use-network-policies.
 */

import { type Retirement, retirements } from "../arm/limits/retirements.ts";
import { overlayMoveVersion } from "../arm/limits.ts";
import { segmentAfter, subscriptionId } from "../arm/names.ts";
import { isOverlayProfile, type ManagedNetworkOption, type NetworkOption, networkOption, optionNames } from "../arm/network-option.ts";
import { isOverlayMove, overlayMoveDocs, overlayMoveProblems } from "../arm/overlay-move.ts";
import type { AgentPool, AzureResource, ManagedCluster, NetworkProfile, NetworkSecurityGroup, Subnet } from "../arm/resources.ts";
import { checkAzure } from "../arm/rules/index.ts";
import type { ArmProblem } from "../arm/rules/problem.ts";
import { azureView, parentOf } from "../arm/rules/view.ts";
import { masqueradeNamespace, userMasqueradeMap } from "../kube/ip-masq-agent.ts";
import type { Documents } from "../lab/index.ts";
import { armKey, kubeKey } from "../resources/resources.ts";
import type { RuleToChange } from "./consequences.ts";
import { withOption } from "./option.ts";

/** An option, or the Cilium data plane with the option that the cluster has. */
export type MigrationTarget = ManagedNetworkOption | "cilium";

export type MigrationStep = {
  readonly title: string;
  /** Sentences without a final full stop. */
  readonly notes: readonly string[];
  /** Each as it is typed, quoted for a shell. */
  readonly commands: readonly (readonly string[])[];
  /** There is no way back behind it. */
  readonly oneWay?: true;
  /** All nodes are re-imaged at once. */
  readonly reimages?: true;
  readonly source?: string;
  /** What the design is after it; absent where it stays what it was. */
  readonly documents?: Documents;
};

export type Migration = {
  readonly cluster: string;
  readonly from: string;
  readonly to: string;
  /** rebuild: by a new cluster, which takes over. */
  readonly way: "in place" | "rebuild" | "nothing to do" | "impossible";
  /** Why not in place; or why not at all. */
  readonly reasons: readonly string[];
  readonly chosen: readonly string[];
  readonly steps: readonly MigrationStep[];
  readonly retirements: readonly Retirement[];
  /** The documents in the end, where the migration is possible. */
  readonly after?: Documents;
};

export function migrationOf(documents: Documents, cluster: ManagedCluster, target: MigrationTarget): Migration {
  const azure = azureOf(documents);
  const option = networkOption(cluster.properties.networkProfile, azureView(azure).poolsOf(cluster));
  const isThere = target === "cilium" ? isCilium(cluster) : option === target;
  const names = {
    cluster: cluster.name,
    from: isCilium(cluster) ? `${optionNames[option]}, Cilium data plane` : optionNames[option],
    to: target === "cilium" ? "the Cilium data plane" : optionNames[target],
    retirements: retiring(cluster, azure),
  };
  if (isThere) return { ...names, way: "nothing to do", reasons: [], chosen: [], steps: [] };
  const made = target === "cilium" ? inPlaceToCilium(documents, cluster, option) : inPlaceToOption(documents, cluster, option, target);
  return { ...names, ...made };
}

type Made = Pick<Migration, "way" | "reasons" | "chosen" | "steps" | "after">;

function inPlaceToOption(documents: Documents, cluster: ManagedCluster, option: NetworkOption, target: ManagedNetworkOption): Made {
  const converted = withOption(documents, cluster, target);
  if (converted.problems.length > 0) return impossible(converted.problems);
  if (isOverlayMove(option, target)) return moveToOverlay(documents, cluster, option);
  return rebuild(documents, cluster, converted, [noWay(option, target)]);
}

function noWay(from: NetworkOption, to: NetworkOption): string {
  if (from === "overlay")
    return `${optionNames.overlay} cannot be left: no cluster gets from it to ${optionNames[to]} (${overlayMoveDocs})`;
  if (from === "podSubnet") return `a cluster with pod subnets does not become one with ${optionNames[to]} (${overlayMoveDocs})`;
  if (from === "none") return `no network option takes the place of ${optionNames.none} in a cluster (${overlayMoveDocs})`;
  return `from ${optionNames[from]} the only way in place is to ${optionNames.overlay} (${overlayMoveDocs})`;
}

function impossible(problems: readonly ArmProblem[]): Made {
  const reasons = problems.map(({ code, message, fix }) => `${code}: ${message}${fix === undefined ? "" : `; ${fix}`}`);
  return { way: "impossible", reasons, chosen: [], steps: [] };
}

/** Makes what AKS asks for beforehand so, moves, and puts back what had to go. */
function moveToOverlay(documents: Documents, cluster: ManagedCluster, option: NetworkOption): Made {
  const steps: MigrationStep[] = [];
  const rules = azureOf(documents).find((resource) => resource.type === "Drydock.Lab/labs")?.properties.rules ?? "current";
  let now = cluster;
  let current = documents;
  const take = (step: Omit<MigrationStep, "documents">, next: ManagedCluster | undefined, without?: string) => {
    current = current.flatMap(({ key, value }) =>
      key === without ? [] : [{ key, value: next !== undefined && key === armKey(next.id) ? next : value }],
    );
    now = next ?? now;
    steps.push({ ...step, documents: current });
  };
  const converted = () => withOption(current, now, "overlay");
  const wanted = () => clusterIn(converted().documents, cluster);
  const engine = cluster.properties.networkProfile.networkPolicy;

  if (overlayMoveProblems(now, wanted(), rules).some(({ property }) => property[0] === "kubernetesVersion")) {
    take(
      {
        title: `upgrade Kubernetes to ${overlayMoveVersion} or later`,
        notes: [`the move needs ${overlayMoveVersion}; nodes are replaced one surge at a time, minor version by minor version`],
        commands: [az(now, "upgrade", "--kubernetes-version", overlayMoveVersion)],
        source: overlayMoveDocs,
      },
      { ...now, properties: { ...now.properties, kubernetesVersion: overlayMoveVersion } },
    );
  }
  const masquerade = kubeKey(cluster.name, "ConfigMap", masqueradeNamespace, userMasqueradeMap);
  if (documents.some(({ key }) => key === masquerade)) {
    take(
      {
        title: `take away the ConfigMap ${userMasqueradeMap}`,
        notes: [
          "AKS refuses the move while it is there; it cannot come back, since pods of an overlay always leave under their node's address",
        ],
        commands: [["kubectl", "delete", "configmap", userMasqueradeMap, "--namespace", masqueradeNamespace]],
        source: `${overlayMoveDocs}; chg:2025-01-30`,
      },
      undefined,
      masquerade,
    );
  }
  const removesEngine = overlayMoveProblems(now, wanted(), rules).some(({ property }) => property.includes("networkPolicy"));
  if (removesEngine) {
    take(
      {
        title: `remove the network policy engine ${engine}`,
        notes: [
          "the policies stay in the API server and nobody enforces them from here on",
          "all pools are re-imaged",
          ...(engine === "azure"
            ? [
                "the way back to Azure Network Policy Manager is not worth it: it ends, see below; the Cilium data plane enforces policies too",
              ]
            : []),
        ],
        commands: [az(now, "update", "--network-policy", "none")],
        reimages: true,
        source: "aks:use-network-policies.md",
      },
      withProfile(now, ({ networkPolicy: _engine, ...profile }) => ({ ...profile, networkPolicy: "none" })),
    );
  }
  if (option === "kubenet") {
    steps.push({
      title: "see that the cluster has an identity that may detach the route table",
      notes: [
        "kubenet's move needs a user-assigned identity for the subnet and its route table; a table that AKS made is deleted, one of your own loses AKS's routes only",
      ],
      commands: [az(now, "show", "--query", "identity")],
      source: overlayMoveDocs,
    });
  }
  const move = converted();
  const after = clusterIn(move.documents, cluster);
  const { podCidr = "" } = after.properties.networkProfile;
  const plugin = option === "kubenet" ? ["--network-plugin", "azure"] : [];
  current = move.documents;
  now = after;
  steps.push({
    title: `move to ${optionNames.overlay}`,
    notes: [
      "all nodes of all pools are re-imaged at once; a pool cannot move by itself",
      "every pod is made anew with another address, and every connection of theirs ends",
      "nodes, Services and load balancers keep their addresses",
    ],
    commands: [az(now, "update", ...plugin, "--network-plugin-mode", "overlay", "--pod-cidr", podCidr)],
    oneWay: true,
    reimages: true,
    source: overlayMoveDocs,
    documents: current,
  });
  if (removesEngine && engine !== undefined) {
    take(
      {
        title: `put the network policy engine ${engine} back`,
        notes: ["all pools are re-imaged again; policies are enforced once the last node is done, and not before"],
        commands: [az(now, "update", "--network-policy", engine)],
        reimages: true,
        source: "aks:use-network-policies.md",
      },
      withProfile(now, (profile) => ({ ...profile, networkPolicy: engine })),
    );
  }
  steps.push({
    title: "look whether all nodes and pods are there again",
    notes: ["then take the addresses of before out of rules and allow-lists"],
    commands: [
      ["kubectl", "get", "nodes", "--output", "wide"],
      ["kubectl", "get", "pods", "--all-namespaces", "--output", "wide"],
    ],
  });
  return { way: "in place", reasons: [], chosen: move.chosen, steps, after: current };
}

/** kubenet has no Cilium: that takes two operations, the overlay first. */
function inPlaceToCilium(documents: Documents, cluster: ManagedCluster, option: NetworkOption): Made {
  const first = option === "kubenet" ? moveToOverlay(documents, cluster, option) : undefined;
  const before = first?.after ?? documents;
  const now = clusterIn(before, cluster);
  const next = withProfile(now, (profile) => ({ ...profile, networkDataplane: "cilium", networkPolicy: "cilium" }));
  const after = before.map(({ key, value }) => ({ key, value: key === armKey(next.id) ? next : value }));
  const known = new Set(checkAzure(azureOf(documents)).map(({ message }) => message));
  const problems = checkAzure(azureOf(after)).filter(({ severity, message }) => severity === "error" && !known.has(message));
  if (problems.length > 0) return impossible(problems);
  const engine = now.properties.networkProfile.networkPolicy ?? "none";
  const step: MigrationStep = {
    title: "change to the Cilium data plane",
    notes: [
      "all nodes of all pools are re-imaged; kube-proxy goes, and Cilium enforces network policies",
      ...(engine === "none"
        ? []
        : [`the engine ${engine} is removed: policies are enforced again once the last node is re-imaged, and not before`]),
      "ipBlock matches no address of a pod or a node with Cilium: peers in the cluster must be named by selectors",
    ],
    commands: [az(now, "update", "--network-dataplane", "cilium")],
    reimages: true,
    source: "aks:azure-cni-powered-by-cilium.md",
    documents: after,
  };
  return {
    way: "in place",
    reasons:
      option === "kubenet" ? ["kubenet has no Cilium data plane: the cluster becomes an overlay first, in an operation of its own"] : [],
    chosen: first?.chosen ?? [],
    steps: [...(first?.steps ?? []), step],
    after,
  };
}

/** A new cluster beside the old one. */
function rebuild(
  documents: Documents,
  cluster: ManagedCluster,
  { documents: after, chosen }: { readonly documents: Documents; readonly chosen: readonly string[] },
  reasons: readonly string[],
): Made {
  const wanted = clusterIn(after, cluster);
  const name = `${cluster.name}-2`;
  const known = new Set(documents.map(({ key }) => key));
  const subnets = azureOf(after).filter(
    (resource): resource is Subnet => resource.type === "Microsoft.Network/virtualNetworks/subnets" && !known.has(armKey(resource.id)),
  );
  const pools = azureView(azureOf(after)).poolsOf(wanted);
  const [first, ...others] = pools;
  const steps: MigrationStep[] = [
    ...(subnets.length === 0
      ? []
      : [
          {
            title: "make the subnets that it needs",
            notes: ["the VNet's address space must hold them, beside everything else"],
            commands: subnets.map(createSubnet),
          },
        ]),
    {
      title: `make cluster ${name} beside ${cluster.name}`,
      notes: ["both take addresses and quota until the old one is gone; subnets must have room for both"],
      commands: [createCluster(wanted, name, first), ...others.map((pool) => createPool(wanted, name, pool))],
    },
    {
      title: "bring the workloads up on it",
      notes: ["Services of type LoadBalancer get other addresses; persistent volumes move with their disks, in the same zone only"],
      commands: [
        ["az", "aks", "get-credentials", "--resource-group", groupOf(cluster), "--name", name],
        ["kubectl", "--context", name, "apply", "--filename", "MANIFESTS"],
      ],
    },
    {
      title: "shift the traffic",
      notes: [
        "DNS names and allow-lists first, then wait for the longest time to live; connections to the old cluster end when it goes, and not before",
      ],
      commands: [],
    },
    {
      title: `delete cluster ${cluster.name}`,
      notes: ["with it go its load balancer, its public addresses and the routes that it wrote"],
      commands: [az(cluster, "delete", "--yes")],
      oneWay: true,
    },
  ];
  return { way: "rebuild", reasons, chosen, steps, after };
}

/** What must be allowed before, so that nothing stops when the cluster moves: prefixes of before and after at once. */
export function allowBefore(documents: Documents, rules: readonly RuleToChange[]): MigrationStep | undefined {
  if (rules.length === 0) return undefined;
  const groups = new Map<string, NetworkSecurityGroup>(
    azureOf(documents).flatMap((resource) =>
      resource.type === "Microsoft.Network/networkSecurityGroups" ? [[`NSG ${resource.name}`, resource] as const] : [],
    ),
  );
  return {
    title: "let rules name the addresses of before and after",
    notes: rules.map(
      ({ where, rule, side, names, mustName }) => `${where}, rule ${rule}, ${side}: add ${mustName.join(", ")} to ${names.join(", ")}`,
    ),
    commands: rules.flatMap(({ where, rule, side, mustName }) => {
      const group = groups.get(where);
      const found = group?.properties.securityRules.find(({ name }) => name === rule)?.properties;
      if (group === undefined || found === undefined) return [];
      const [one, several] =
        side === "source"
          ? [found.sourceAddressPrefix, found.sourceAddressPrefixes]
          : [found.destinationAddressPrefix, found.destinationAddressPrefixes];
      const prefixes = one === undefined || one === "" ? (several ?? []) : [one];
      const place = ["--resource-group", groupOf(group), "--nsg-name", group.name, "--name", rule];
      return [["az", "network", "nsg", "rule", "update", ...place, `--${side}-address-prefixes`, ...prefixes, ...mustName]];
    }),
  };
}

/** Ids of lab files name a subscription that is nobody's. */
export function namesNoSubscription(cluster: ManagedCluster): boolean {
  return segmentAfter(cluster.id, "subscriptions") === subscriptionId;
}

/** Quoted for a POSIX shell. */
export function shellText(words: readonly string[]): string {
  return words.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
}

function retiring(cluster: ManagedCluster, azure: readonly AzureResource[]): readonly Retirement[] {
  const { networkPlugin, networkPolicy } = cluster.properties.networkProfile;
  const hasWindows = azureView(azure)
    .poolsOf(cluster)
    .some(({ properties }) => properties.osType === "Windows");
  return [
    ...(networkPlugin === "kubenet" ? [retirements.kubenet] : []),
    ...(networkPolicy === "azure" ? [retirements.policyManagerLinux, ...(hasWindows ? [retirements.policyManagerWindows] : [])] : []),
  ];
}

function az(cluster: ManagedCluster, verb: string, ...more: readonly string[]): readonly string[] {
  return ["az", "aks", verb, "--resource-group", groupOf(cluster), "--name", cluster.name, ...more];
}

function groupOf({ id }: { readonly id: string }): string {
  return segmentAfter(id, "resourceGroups");
}

function createSubnet({ id, name, properties }: Subnet): readonly string[] {
  const vnet = segmentAfter(parentOf(id), "virtualNetworks");
  const { addressPrefix, networkSecurityGroup, routeTable, natGateway } = properties;
  const attached = [
    ...(networkSecurityGroup === undefined ? [] : ["--network-security-group", networkSecurityGroup.id]),
    ...(routeTable === undefined ? [] : ["--route-table", routeTable.id]),
    ...(natGateway === undefined ? [] : ["--nat-gateway", natGateway.id]),
  ];
  const where = ["--resource-group", groupOf({ id }), "--vnet-name", vnet, "--name", name];
  return ["az", "network", "vnet", "subnet", "create", ...where, "--address-prefixes", addressPrefix, ...attached];
}

function createCluster(cluster: ManagedCluster, name: string, pool: AgentPool | undefined): readonly string[] {
  const { networkProfile, kubernetesVersion } = cluster.properties;
  const { networkPlugin, podCidr, serviceCidr, dnsServiceIP, outboundType, networkPolicy, networkDataplane } = networkProfile;
  return [
    ...["az", "aks", "create", "--resource-group", groupOf(cluster), "--name", name],
    ...(kubernetesVersion === undefined ? [] : ["--kubernetes-version", kubernetesVersion]),
    ...["--network-plugin", networkPlugin],
    ...(isOverlayProfile(networkProfile) ? ["--network-plugin-mode", "overlay"] : []),
    ...(networkPolicy === undefined || networkPolicy === "none" ? [] : ["--network-policy", networkPolicy]),
    ...(networkDataplane === undefined ? [] : ["--network-dataplane", networkDataplane]),
    ...(podCidr === undefined ? [] : ["--pod-cidr", podCidr]),
    ...["--service-cidr", serviceCidr, "--dns-service-ip", dnsServiceIP, "--outbound-type", outboundType],
    ...(pool === undefined ? [] : ["--nodepool-name", pool.name, ...poolOptions(pool)]),
  ];
}

function createPool(cluster: ManagedCluster, name: string, pool: AgentPool): readonly string[] {
  const { osType, mode } = pool.properties;
  return [
    ...["az", "aks", "nodepool", "add", "--resource-group", groupOf(cluster), "--cluster-name", name, "--name", pool.name],
    ...["--mode", mode, "--os-type", osType, ...poolOptions(pool)],
  ];
}

function poolOptions({ properties }: AgentPool): readonly string[] {
  const { count, maxPods, vnetSubnetID, podSubnetID } = properties;
  const pods = podSubnetID === undefined ? [] : ["--pod-subnet-id", podSubnetID];
  return ["--node-count", String(count), "--max-pods", String(maxPods), "--vnet-subnet-id", vnetSubnetID, ...pods];
}

function isCilium({ properties }: ManagedCluster): boolean {
  return properties.networkProfile.networkDataplane === "cilium";
}

function withProfile(cluster: ManagedCluster, change: (profile: NetworkProfile) => NetworkProfile): ManagedCluster {
  return { ...cluster, properties: { ...cluster.properties, networkProfile: change(cluster.properties.networkProfile) } };
}

function clusterIn(documents: Documents, cluster: ManagedCluster): ManagedCluster {
  const found = azureOf(documents).find((resource) => armKey(resource.id) === armKey(cluster.id));
  return found?.type === "Microsoft.ContainerService/managedClusters" ? found : cluster;
}

function azureOf(documents: Documents): readonly AzureResource[] {
  return documents.flatMap(({ value }) => ("type" in value && "id" in value ? [value] : []));
}
