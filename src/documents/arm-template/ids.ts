/** Where a deployment goes, and the ids of resources there. */

/** What a deployment deploys to. */
export type DeploymentPlace = {
  readonly kind: "resourceGroup" | "subscription" | "managementGroup" | "tenant";
  readonly subscriptionId: string;
  /** Empty unless the deployment goes to one. */
  readonly resourceGroup: string;
  readonly tenantId: string;
  /** Of the deployment; a resource group may have another. */
  readonly location: string;
  readonly managementGroup?: string;
};

export function subscriptionPrefix({ subscriptionId }: DeploymentPlace): string {
  return `/subscriptions/${subscriptionId}`;
}

export function groupPrefix(place: DeploymentPlace): string {
  return `${subscriptionPrefix(place)}/resourceGroups/${place.resourceGroup}`;
}

/** What ids of resources begin with. */
export function scopePrefix(place: DeploymentPlace): string {
  switch (place.kind) {
    case "resourceGroup":
      return groupPrefix(place);
    case "subscription":
      return subscriptionPrefix(place);
    case "managementGroup":
      return `/providers/Microsoft.Management/managementGroups/${place.managementGroup ?? place.tenantId}`;
    case "tenant":
      return "";
    default:
      return place.kind satisfies never;
  }
}

/**
 * `undefined` when type and names do not fit each other. A type with `providers` in it is that of an extension in the old form:
 * `Microsoft.Network/virtualNetworks/providers/roleAssignments` with names `vnet`, `Microsoft.Authorization` and its own.
 */
export function resourceIdAt(prefix: string, type: string, names: readonly string[]): string | undefined {
  const [provider = "", ...segments] = type.split("/");
  const parts = names.flatMap((name) => name.split("/"));
  if (provider === "" || segments.length === 0 || segments.length !== parts.length || parts.includes("")) return undefined;
  if (type.toLowerCase() === "microsoft.resources/resourcegroups") {
    const subscription = /^\/subscriptions\/[^/]+/.exec(prefix)?.[0];
    if (subscription !== undefined) return `${subscription}/resourceGroups/${parts[0]}`;
  }
  return `${prefix}/providers/${provider}${segments.map((segment, index) => `/${segment}/${parts[index]}`).join("")}`;
}

/** Of a resource that extends the one with this id. */
export function extensionId(scope: string, type: string, names: readonly string[]): string | undefined {
  return resourceIdAt(scope.replace(/\/+$/, ""), type, names);
}

/** `Microsoft.Network/virtualNetworks/v/subnets/s` in a place; `undefined` when it is not of that form. */
export function relativeId(text: string, place: DeploymentPlace): string | undefined {
  const [provider, ...rest] = text.split("/");
  if (provider === undefined || !provider.includes(".") || rest.length < 2 || rest.length % 2 !== 0) return undefined;
  return `${scopePrefix(place)}/providers/${provider}${rest.map((part) => `/${part}`).join("")}`;
}

export function kindOfSchema(schema: string | undefined): DeploymentPlace["kind"] {
  if (schema === undefined) return "resourceGroup";
  if (/subscriptionDeploymentTemplate/i.test(schema)) return "subscription";
  if (/managementGroupDeploymentTemplate/i.test(schema)) return "managementGroup";
  return /tenantDeploymentTemplate/i.test(schema) ? "tenant" : "resourceGroup";
}

/** `/subscriptions/…`, `/subscriptions/…/resourceGroups/…`, `Microsoft.Management/managementGroups/…`, or `/`. */
export function placeOfScope(scope: string, place: DeploymentPlace): DeploymentPlace {
  const [, subscriptionId, resourceGroup] = /^\/subscriptions\/([^/]+)(?:\/resourceGroups\/([^/]+))?/i.exec(scope) ?? [];
  if (subscriptionId !== undefined)
    return {
      ...place,
      kind: resourceGroup === undefined ? "subscription" : "resourceGroup",
      subscriptionId,
      resourceGroup: resourceGroup ?? "",
    };
  const group = /Microsoft\.Management\/managementGroups\/([^/]+)/i.exec(scope)?.[1];
  return group === undefined
    ? { ...place, kind: "tenant", resourceGroup: "" }
    : { ...place, kind: "managementGroup", managementGroup: group, resourceGroup: "" };
}
