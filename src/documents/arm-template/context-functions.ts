/**
 * Functions about the deployment: its parameters and variables, where it goes, ids of resources, and what Azure says of resources at run time.
 *
 * Azure docs: templates/template-functions-deployment, -resource, -scope.
 */

import { excerpt } from "../problem.ts";
import type { ContextFunction, Scope, Stage } from "./evaluate.ts";
import type { Arguments } from "./functions/arguments.ts";
import { dateOf, defaultNowFormat, formatDate } from "./functions/dates.ts";
import { type DeploymentPlace, extensionId, groupPrefix, resourceIdAt, scopePrefix, subscriptionPrefix } from "./ids.ts";
import { ObjectValue, refuse, Unknown, type Value } from "./value.ts";

/** What these functions ask. */
export type Deployment = {
  readonly name: string;
  readonly place: DeploymentPlace;
  /** The time of the deployment in ISO 8601, if one is given. */
  readonly now: string | undefined;
  /** Of the template's file, for templates that lie beside it. */
  readonly templateUri: string;
  readonly parameter: (name: string) => Value;
  readonly variable: (name: string) => Value;
  readonly locationOfGroup: (name: string) => string;
  /** The resource of an id, of a name that is unique in the template, or of a symbolic name. */
  readonly reference: (target: string, isWhole: boolean) => Value;
  /** Of a symbolic name of a loop. */
  readonly references: (symbol: string, isWhole: boolean) => Value;
  readonly resourceInfo: (symbol: string) => Value;
};

const many = Number.POSITIVE_INFINITY;

export function contextFunctions(deployment: Deployment): ReadonlyMap<string, ContextFunction> {
  const { place } = deployment;
  const made: ContextFunction[] = [];
  const define = (name: string, least: number, call: ContextFunction["call"], most = least) => made.push({ name, least, most, call });

  define("parameters", 1, (from, scope) => {
    const name = from.text(0);
    if (scope.functionArguments === undefined) return deployment.parameter(name);
    return scope.functionArguments.get(name.toLowerCase()) ?? from.refuse(`the function has no parameter ${excerpt(name)}`);
  });
  define("variables", 1, (from, scope) => {
    if (scope.stage === "default") return from.refuse("a default value of a parameter cannot use variables", "use parameters");
    if (scope.stage === "function") return from.refuse("a function sees its own parameters only", "give the variable as an argument");
    return deployment.variable(from.text(0));
  });
  define("copyIndex", 0, (from, scope) => turn(from, scope), 2);
  define("deployment", 0, () =>
    ObjectValue.of({
      name: deployment.name,
      id: `${scopePrefix(place)}/providers/Microsoft.Resources/deployments/${deployment.name}`,
      ...(place.kind === "resourceGroup" ? {} : { location: place.location }),
      properties: ObjectValue.of(
        { mode: "Incremental", provisioningState: "Accepted", templateLink: ObjectValue.of({ uri: deployment.templateUri }) },
        new Unknown("a property of the deployment that only Azure knows"),
      ),
    }),
  );
  define("deployer", 0, () => new Unknown("who deploys"));
  define("environment", 0, () => environment);
  define("resourceGroup", 0, (from) => {
    if (place.kind !== "resourceGroup")
      return from.refuse("this deployment goes to no resource group", "deploy a nested template to one with resourceGroup");
    const { resourceGroup: name } = place;
    return ObjectValue.of(
      {
        id: groupPrefix(place),
        name,
        type: "Microsoft.Resources/resourceGroups",
        location: deployment.locationOfGroup(name),
        properties: ObjectValue.of({ provisioningState: "Succeeded" }),
      },
      new Unknown(`what Azure knows of resource group ${name}`),
    );
  });
  define("subscription", 0, () =>
    ObjectValue.of({
      id: subscriptionPrefix(place),
      subscriptionId: place.subscriptionId,
      tenantId: place.tenantId,
      displayName: new Unknown("the name of the subscription"),
    }),
  );
  define("tenant", 0, () =>
    ObjectValue.of({ id: `/tenants/${place.tenantId}`, tenantId: place.tenantId }, new Unknown("what Azure knows of the tenant")),
  );
  define("managementGroup", 0, () => new Unknown("the management group that is deployed to"));

  define("resourceId", 2, (from) => resourceIdOf(from, place), many);
  define(
    "subscriptionResourceId",
    2,
    (from) => {
      const { before, type, names } = typed(from, 1);
      const [subscriptionId = place.subscriptionId] = before;
      return resourceIdAt(`/subscriptions/${subscriptionId}`, type, names) ?? mismatch(from, type, names);
    },
    many,
  );
  define(
    "tenantResourceId",
    2,
    (from) => {
      const { type, names } = typed(from, 0);
      return resourceIdAt("", type, names) ?? mismatch(from, type, names);
    },
    many,
  );
  define(
    "managementGroupResourceId",
    2,
    (from) => {
      const { before, type, names } = typed(from, 1);
      const [group] = before;
      if (group === undefined) return new Unknown("the management group that is deployed to");
      const prefix = `/providers/Microsoft.Management/managementGroups/${group}`;
      return resourceIdAt(prefix, type, names) ?? mismatch(from, type, names);
    },
    many,
  );
  define(
    "extensionResourceId",
    3,
    (from) => {
      const names = from.values.slice(2).map((_, index) => from.text(index + 2));
      return extensionId(from.text(0), from.text(1), names) ?? mismatch(from, from.text(1), names);
    },
    many,
  );

  const atRunTime = (from: Arguments, scope: Scope) => {
    const elsewhere = placesOf[scope.stage];
    if (elsewhere !== undefined)
      from.refuse(`is known at run time only, which is too late for ${elsewhere}`, "use it in properties of a resource, or in outputs");
  };
  define(
    "reference",
    1,
    (from, scope) => {
      atRunTime(from, scope);
      return deployment.reference(from.text(0), from.optionalText(2)?.toLowerCase() === "full");
    },
    3,
  );
  define(
    "references",
    1,
    (from, scope) => {
      atRunTime(from, scope);
      return deployment.references(from.text(0), from.optionalText(1)?.toLowerCase() === "full");
    },
    2,
  );
  define("resourceInfo", 1, (from) => deployment.resourceInfo(from.text(0)));
  define("providers", 1, () => new Unknown("what the resource provider offers"), 2);
  define("pickZones", 3, () => new Unknown("the availability zones that Azure offers"), 5);
  for (const name of ["toLogicalZone", "toLogicalZones", "toPhysicalZone", "toPhysicalZones"]) {
    define(name, 3, () => new Unknown("the availability zones of the subscription"));
  }
  define(
    "utcNow",
    0,
    (from, scope) => {
      if (scope.stage !== "default")
        return from.refuse("stands only in default values of parameters", "make it a parameter's default value");
      if (deployment.now === undefined) return new Unknown("the time of the deployment");
      return formatDate(from, dateOf(from, deployment.now), from.optionalText(0) ?? defaultNowFormat);
    },
    1,
  );
  define("newGuid", 0, (from, scope) => {
    if (scope.stage !== "default") return from.refuse("stands only in default values of parameters", "make it a parameter's default value");
    return new Unknown("an id made by chance for the deployment");
  });
  define("fail", 1, (from) => refuse(`the template says: ${excerpt(from.text(0))}`));

  return new Map(made.map((known) => [known.name.toLowerCase(), known]));
}

/** `listKeys`, `listCredentials` and all the others that begin so: what they give is secret, or at least Azure's alone. */
export function listFunction(name: string): ContextFunction | undefined {
  if (!/^list[a-z0-9]+$/.test(name)) return undefined;
  return { name, least: 1, most: many, call: () => new Unknown(`what ${name}() of Azure answers`) };
}

/** Stages that come before anything runs. */
const placesOf: Readonly<Partial<Record<Stage, string>>> = {
  default: "a default value of a parameter",
  variable: "a variable",
  start: "a name, a type, a condition or a count",
  function: "a function",
};

/** Of the loop of a name, or of the innermost one of the resource; with an offset. */
function turn(from: Arguments, { loops }: Scope): Value {
  const first = from.any(0);
  const name = typeof first === "string" ? first : "";
  const offset = typeof first === "string" ? (from.count > 1 ? from.int(1) : 0) : from.count > 0 ? from.int(0) : 0;
  const index = loops.get(name.toLowerCase());
  if (index !== undefined) return index + offset;
  const names = [...loops.keys()].filter((known) => known !== "");
  return from.refuse(
    name === "" ? "stands in no copy loop" : `stands in no copy loop named ${excerpt(name)}`,
    names.length === 0 ? undefined : `name one of the loops around it: ${names.join(", ")}`,
  );
}

/** The type is the first argument with a slash; up to `most` arguments stand before it. */
function typed(
  from: Arguments,
  most: number,
): { readonly before: readonly string[]; readonly type: string; readonly names: readonly string[] } {
  const texts = from.values.map((_, index) => from.text(index));
  const at = texts.findIndex((text) => text.includes("/"));
  const type = texts[at];
  if (type === undefined || at > most)
    return from.refuse("no argument is a type of resource", "a type has its provider: Microsoft.Network/virtualNetworks");
  return { before: texts.slice(0, at), type, names: texts.slice(at + 1) };
}

const guidPattern = /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/i;

function resourceIdOf(from: Arguments, place: DeploymentPlace): string {
  const { before, type, names } = typed(from, 2);
  const [first, second] = before;
  let prefix = scopePrefix(place);
  if (first !== undefined && second !== undefined) prefix = `/subscriptions/${first}/resourceGroups/${second}`;
  else if (first !== undefined)
    prefix = guidPattern.test(first) ? `/subscriptions/${first}` : `${subscriptionPrefix(place)}/resourceGroups/${first}`;
  return resourceIdAt(prefix, type, names) ?? mismatch(from, type, names);
}

function mismatch(from: Arguments, type: string, names: readonly string[]): never {
  const wanted = type.split("/").length - 1;
  return from.refuse(
    `${excerpt(type)} takes ${wanted} ${wanted === 1 ? "name" : "names"}; ${names.length} are given`,
    "give one name per segment of the type",
  );
}

/** Of the public cloud (Azure docs: templates/template-functions-deployment, environment). */
const environment = ObjectValue.of(
  {
    name: "AzureCloud",
    gallery: "https://gallery.azure.com/",
    graph: "https://graph.windows.net/",
    portal: "https://portal.azure.com",
    graphAudience: "https://graph.windows.net/",
    activeDirectoryDataLake: "https://datalake.azure.net/",
    batch: "https://batch.core.windows.net/",
    media: "https://rest.media.azure.net",
    sqlManagement: "https://management.core.windows.net:8443/",
    vmImageAliasDoc: "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
    resourceManager: "https://management.azure.com/",
    authentication: ObjectValue.of({
      loginEndpoint: "https://login.microsoftonline.com/",
      audiences: ["https://management.core.windows.net/", "https://management.azure.com/"],
      tenant: "common",
      identityProvider: "AAD",
    }),
    suffixes: ObjectValue.of({
      acrLoginServer: ".azurecr.io",
      azureDatalakeAnalyticsCatalogAndJob: "azuredatalakeanalytics.net",
      azureDatalakeStoreFileSystem: "azuredatalakestore.net",
      azureFrontDoorEndpointSuffix: "azurefd.net",
      keyvaultDns: ".vault.azure.net",
      sqlServerHostname: ".database.windows.net",
      storage: "core.windows.net",
    }),
  },
  new Unknown("a property of the cloud"),
);
