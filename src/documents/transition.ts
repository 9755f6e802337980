/** May a running lab become what the new documents say? Azure's and Kubernetes' rules of what cannot be changed, with places where they are known. */

import type { AzureResource } from "../arm/resources.ts";
import { checkAzure } from "../arm/rules/index.ts";
import { refusedTransitions } from "../arm/transition.ts";
import { refusedChanges } from "../kube/transition.ts";
import { armBucket, armKey, bucketOf, type Key, type Resource, type Resources } from "../resources/resources.ts";
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
