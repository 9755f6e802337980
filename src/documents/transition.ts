/** May a running lab become what the new documents say? Azure's and Kubernetes' rules of what cannot be changed, with places where they are known. */

import { isOverlayProfile, optionNames } from "../arm/network-option.ts";
import { overlayMoveDocs } from "../arm/overlay-move.ts";
import type { AzureResource, ManagedCluster } from "../arm/resources.ts";
import { checkAzure } from "../arm/rules/index.ts";
import type { ArmProblem } from "../arm/rules/problem.ts";
import { refusedTransitions } from "../arm/transition.ts";
import { cniConfigMap, cniNamespace, readCniConfig } from "../kube/cni-config.ts";
import { masqueradeNamespace, userMasqueradeMap } from "../kube/ip-masq-agent.ts";
import type { ConfigMap, KubeObject } from "../kube/objects.ts";
import { refusedChanges } from "../kube/transition.ts";
import { armBucket, armKey, bucketOf, type Key, kubeBucket, kubeKey, type Resource, type Resources } from "../resources/resources.ts";
import type { DocumentPlace } from "./index.ts";
import { formatPath, type Problem } from "./problem.ts";

type Next = readonly { readonly key: Key; readonly value: Resource }[];

/** `placeOf`: of the documents that `next` comes from, if they are at hand. */
export function checkTransition(
  current: Resources,
  next: Next,
  placeOf?: (key: Key, property?: readonly (string | number)[]) => DocumentPlace | undefined,
): readonly Problem[] {
  const azureNext = next.flatMap(({ value }) => (isAzure(value) ? [value] : []));
  const azureNow = azureTypes.flatMap((type) => current.list(armBucket(type)).filter(isAzure));
  const problems: Problem[] = [];
  const add = (key: Key, property: readonly (string | number)[], problem: Omit<Problem, "file" | "line" | "column" | "path">) => {
    const place = placeOf?.(key, property);
    problems.push({
      ...problem,
      ...(place ?? { file: "running lab", path: [nameOf(key), formatPath(property)].filter((part) => part !== "").join(": ") }),
    });
  };
  for (const { id, property, ...problem } of refusedTransitions(azureNow, azureNext)) add(id.toLowerCase(), property, problem);
  for (const { key, value } of next) {
    const before = isAzure(value) ? undefined : current.get(key);
    if (before === undefined || isAzure(before) || isAzure(value)) continue;
    for (const { path, reason, known: _known, ...problem } of refusedChanges(before, value)) add(key, path, { ...problem, code: reason });
  }
  for (const { id, property, ...problem } of pluginChanges(current, next)) add(id.toLowerCase(), property, problem);
  // What a move costs is of interest when it can be made.
  for (const { id, property, ...problem } of moveFindings(current, next)) {
    if (problem.severity === "error" || !problems.some(({ severity }) => severity === "error")) add(id.toLowerCase(), property, problem);
  }
  return problems;
}

/** What Azure would say to one resource that becomes `changed`, beyond what it says of the others as they are. `documents`: all of them. */
export function checkChange(documents: Next, changed: AzureResource): readonly Problem[] {
  const azure = documents.flatMap(({ value }) => (isAzure(value) ? [value] : []));
  const before = new Set(checkAzure(azure).map((problem) => problem.message));
  return checkAzure(azure.map((value) => (armKey(value.id) === armKey(changed.id) ? changed : value)))
    .filter((problem) => !before.has(problem.message))
    .map(({ id, property, ...problem }) => ({ ...problem, file: "running lab", path: `${nameOf(id)}: ${formatPath(property)}` }));
}

/** Pods stay joined as the plugin's configuration was when they were made; a lab has one configuration for all of them. */
function pluginChanges(current: Resources, next: Next): readonly ArmProblem[] {
  return next.flatMap(({ key, value }): ArmProblem[] => {
    const before = current.get(key);
    if (!isCluster(value) || before === undefined || !isCluster(before)) return [];
    const map = kubeKey(value.name, "ConfigMap", cniNamespace, cniConfigMap);
    const now = cniConfigIn(current.get(map));
    if (now === undefined || now === cniConfigIn(next.find((one) => one.key === map)?.value)) return [];
    return [
      {
        id: value.id,
        property: ["networkProfile", "networkPlugin"],
        code: "PropertyChangeNotAllowed",
        severity: "error",
        message: `ConfigMap ${cniNamespace}/${cniConfigMap} of cluster ${value.name} cannot change: pods that are there stay joined as it says, and pods of two configurations on one node are not modelled`,
        source: "https://www.cni.dev/docs/spec/",
        fix: "start again: drydock down --purge, then up",
      },
    ];
  });
}

/** What it says, in a form to compare. `undefined` where nothing makes nodes ready. */
function cniConfigIn(map: Resource | undefined): string | undefined {
  if (map === undefined || !isConfigMap(map)) return undefined;
  const { config } = readCniConfig(map);
  return config === undefined ? undefined : JSON.stringify(config);
}

function isConfigMap(value: Resource): value is ConfigMap {
  return "kind" in value && value.kind === "ConfigMap";
}

/** What a cluster that moves to Azure CNI Overlay in place loses, and what of Kubernetes' objects is in its way. */
function moveFindings(current: Resources, next: Next): readonly ArmProblem[] {
  return next.flatMap(({ key, value }): ArmProblem[] => {
    const before = current.get(key);
    if (!isCluster(value) || before === undefined || !isCluster(before)) return [];
    if (isOverlayProfile(before.properties.networkProfile) || !isOverlayProfile(value.properties.networkProfile)) return [];
    const place = { id: value.id, property: ["networkProfile", "networkPlugin"] } as const;
    const masquerade = kubeKey(value.name, "ConfigMap", masqueradeNamespace, userMasqueradeMap);
    if (current.get(masquerade) !== undefined || next.some((one) => one.key === masquerade)) {
      return [
        {
          ...place,
          code: "PropertyChangeNotAllowed",
          severity: "error",
          message: `cluster ${value.name} cannot move to ${optionNames.overlay} in place: it has a ConfigMap ${masqueradeNamespace}/${userMasqueradeMap}`,
          source: `${overlayMoveDocs}; chg:2025-01-30`,
          fix: "take the ConfigMap out and apply, then move",
        },
      ];
    }
    const pods = current.list(kubeBucket(value.name, "Pod")).flatMap((pod) => ("metadata" in pod ? addressOf(pod) : []));
    const shown = pods.length <= mostShown ? pods : [...pods.slice(0, mostShown), `${pods.length - mostShown} more`];
    const nodes = current.list(kubeBucket(value.name, "Node")).length;
    return [
      {
        ...place,
        code: "AllNodesReimaged",
        severity: "warning",
        message: `cluster ${value.name} moves to ${optionNames.overlay}, and there is no way back. Its ${nodes} nodes are re-imaged all at once; ${pods.length} pods are made anew with other addresses, and every connection of theirs ends: ${shown.join(", ")}`,
        source: overlayMoveDocs,
        fix: "plan for the whole cluster being away at once; a pool cannot move by itself",
      },
    ];
  });
}

/** Pods that a message names. */
const mostShown = 8;

/** `default/web-0 (10.244.0.2)`, of a pod with an address. */
function addressOf(pod: KubeObject): string[] {
  const { namespace, name } = pod.metadata;
  const address =
    "status" in pod && typeof pod.status === "object" && pod.status !== null && "podIP" in pod.status ? pod.status.podIP : undefined;
  return typeof address === "string" ? [`${namespace ?? ""}/${name} (${address})`] : [];
}

function isCluster(value: Resource): value is ManagedCluster {
  return "type" in value && value.type === "Microsoft.ContainerService/managedClusters";
}

const azureTypes = [
  "Drydock.Lab/labs",
  "Microsoft.Network/virtualNetworks",
  "Microsoft.Network/virtualNetworks/subnets",
  "Microsoft.Network/networkInterfaces",
  "Microsoft.Compute/virtualMachines",
  "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
  "Microsoft.ContainerService/managedClusters",
  "Microsoft.ContainerService/managedClusters/agentPools",
] as const satisfies readonly AzureResource["type"][];

function isAzure(value: Resource): value is AzureResource {
  return "type" in value && "id" in value;
}

/** `managedClusters/shop/agentPools/np1`, `Service/default/web`. */
function nameOf(key: Key): string {
  const kubernetes = /^\/kubernetes\/([^/]+)\/(.+)$/.exec(key);
  if (kubernetes !== null) return `${kubernetes[1]}: ${kubernetes[2]?.replace("//", "/")}`;
  return key.slice(bucketOf(key) === "" ? 0 : key.lastIndexOf("/providers/") + "/providers/".length).replace(/^[^/]+\//, "");
}
