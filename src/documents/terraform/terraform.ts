/**
 * A Terraform plan to ARM resources: those of the provider azurerm that are about networks, attribute by attribute, and the associations between them
 * where ARM has a property. azapi's resources are ARM's own. Others of azurerm go by the type that they stand for, to be kept or named.
 * Docs: registry.terraform.io/providers/hashicorp/azurerm.
 */

import { subscriptionId } from "../../arm/names.ts";
import { lostReference, type PlacedResource } from "../azure/placed.ts";
import { treatmentOf } from "../azure/treatments.ts";
import type { Complain } from "../lab/expand.ts";
import { bounds, type Source } from "../tree.ts";
import { type Attribute, Draft } from "./draft.ts";
import { type PlannedResource, readPlan } from "./plan.ts";
import { References } from "./references.ts";
import { builders, links, parents, standsFor } from "./resources.ts";

export function readTerraform(source: Source, complain: Complain): readonly PlacedResource[] {
  return new Terraform(source, complain).read();
}

/** What to say of a reference that leads nowhere: without it nothing can be said of the resource, or it is as if it had none. */
type Need = "needed" | "wanted";

export class Terraform {
  readonly #source: Source;
  readonly #complain: Complain;
  readonly #resources: readonly PlannedResource[];
  readonly #references: References;
  readonly #ids = new Map<PlannedResource, string>();
  readonly #drafts = new Map<string, Draft>();
  readonly #byId = new Map<string, PlannedResource>();

  constructor(source: Source, complain: Complain) {
    const plan = readPlan(source);
    this.#source = source;
    this.#complain = complain;
    this.#resources = plan.resources;
    this.#references = new References(plan);
  }

  read(): readonly PlacedResource[] {
    for (const resource of this.#resources) this.#byId.set(this.idOf(resource).toLowerCase(), resource);
    const others: PlacedResource[] = [];
    for (const resource of this.#resources) {
      const build = Object.hasOwn(builders, resource.type) ? builders[resource.type] : undefined;
      if (build !== undefined) build.build(resource, this);
      else if (!Object.hasOwn(links, resource.type)) others.push(...this.#other(resource));
    }
    // Associations change what others have made.
    for (const resource of this.#resources) {
      if (Object.hasOwn(links, resource.type)) links[resource.type]?.(resource, this);
    }
    return [...[...this.#drafts.values()].map((draft) => draft.finished(this.#source)), ...others];
  }

  /** The draft of a resource; its own id and type unless others are given. */
  draft(resource: PlannedResource): Draft {
    const id = this.idOf(resource);
    const type = builders[resource.type]?.type ?? resource.type;
    const draft = this.#drafts.get(id.toLowerCase()) ?? new Draft(resource, id, type, id.slice(id.lastIndexOf("/") + 1));
    this.#drafts.set(id.toLowerCase(), draft);
    return draft;
  }

  draftOf(id: string | undefined): Draft | undefined {
    return id === undefined ? undefined : this.#drafts.get(id.toLowerCase());
  }

  /** The resource of a plan with an id; what exists already is in none. */
  byId(id: string): PlannedResource | undefined {
    return this.#byId.get(id.toLowerCase());
  }

  /** The id of a reference: as the plan has it, or as the resource has it that its expression means. */
  reference(resource: PlannedResource, attribute: Attribute, types: readonly string[], need: Need): string | undefined {
    const known = valueAt(resource.values, attribute);
    if (typeof known === "string") return known === "" ? undefined : known;
    const found = this.#references.of(resource, attribute, types);
    const [only] = found;
    if (only !== undefined && found.length === 1) return this.idOf(only);
    if (!this.isWritten(resource, attribute)) return undefined;
    this.#lost(resource, attribute, found, need);
    return need === "needed" ? lostReference : undefined;
  }

  /** All that a list of references means. */
  referenceList(resource: PlannedResource, attribute: Attribute, types: readonly string[]): readonly string[] {
    const known = valueAt(resource.values, attribute);
    if (Array.isArray(known)) return known.filter((one): one is string => typeof one === "string");
    const found = this.#references.of(resource, attribute, types);
    if (found.length === 0 && this.isWritten(resource, attribute)) this.#lost(resource, attribute, found, "wanted");
    return found.map((one) => this.idOf(one));
  }

  /** The resources that an attribute means, whatever attribute of theirs it is. */
  meant(resource: PlannedResource, attribute: Attribute, types: readonly string[]): readonly PlannedResource[] {
    return this.#references.of(resource, attribute, types);
  }

  isWritten(resource: PlannedResource, attribute: Attribute): boolean {
    return this.#references.isWritten(resource, attribute);
  }

  complain(resource: PlannedResource, attribute: Attribute, finding: Parameters<Complain>[2]): void {
    this.#complain(this.#source, [...resource.path, ...attribute], finding);
  }

  #lost(resource: PlannedResource, attribute: Attribute, found: readonly PlannedResource[], need: Need): void {
    const several = found.slice(0, 4).map(({ address }) => address);
    const why = found.length === 0 ? "its expression leads to no resource of the plan" : `its expression may mean ${several.join(" or ")}`;
    this.complain(resource, attribute, {
      code: "KnownAfterApply",
      ...(need === "wanted" ? { severity: "warning" as const } : {}),
      message: `${attribute.join(".")} of ${resource.address} is known only after apply, and ${why}${need === "wanted" ? ": it is as if it were not there" : ""}`,
      source: "developer.hashicorp.com/terraform/internals/json-format",
      fix: "name the resource in the expression (local values are not in a plan), or give what Azure says of it after apply (az … show -o json)",
    });
  }

  /** A resource's ARM id: the plan's if it exists already, else one made of the names that the plan has. */
  idOf(resource: PlannedResource): string {
    const made = this.#ids.get(resource);
    if (made !== undefined) return made;
    // Whoever is asked for while its own parents are looked for has none.
    this.#ids.set(resource, "");
    const id = this.#makeId(resource);
    this.#ids.set(resource, id);
    return id;
  }

  #makeId(resource: PlannedResource): string {
    const { values, type, name } = resource;
    if (typeof values.id === "string" && values.id.startsWith("/subscriptions/")) return values.id;
    const own = typeof values.name === "string" && values.name !== "" ? values.name : addressName(resource, name);
    const parent = Object.hasOwn(parents, type) ? parents[type] : undefined;
    if (parent !== undefined) {
      const id = this.#parentId(resource, parent.attribute, parent.type);
      return `${id}/${parent.segment}/${own}`;
    }
    const arm = builders[type]?.type ?? standsFor(type) ?? `azurerm/${type}`;
    return `${this.#groupId(resource)}/providers/${arm}/${own}`;
  }

  #groupId({ values }: PlannedResource): string {
    const group =
      typeof values.resource_group_name === "string" && values.resource_group_name !== "" ? values.resource_group_name : "terraform";
    return `/subscriptions/${subscriptionId}/resourceGroups/${group}`;
  }

  /** By id, by the resource that the expression means, or by the name and the group. */
  #parentId(resource: PlannedResource, attribute: string, type: string): string {
    const value = resource.values[attribute];
    if (typeof value === "string" && value.startsWith("/subscriptions/")) return value;
    const meant = this.#references.of(resource, [attribute], [type]);
    const byName = meant.filter(({ values }) => values.name === value);
    const [only] = meant.length === 1 ? meant : byName;
    if (only !== undefined && (meant.length === 1 || byName.length === 1)) return this.idOf(only);
    const arm = builders[type]?.type ?? type;
    return `${this.#groupId(resource)}/providers/${arm}/${typeof value === "string" ? value : "unknown"}`;
  }

  /** One that no network is made of. */
  #other(resource: PlannedResource): readonly PlacedResource[] {
    const { type, values, path } = resource;
    const azapi = type === "azapi_resource" ? azapiResource(resource) : undefined;
    if (azapi !== undefined) return [{ ...azapi, source: this.#source }];
    if (!type.startsWith("azurerm_")) return [this.#foreign(resource)];
    const id = this.idOf(resource);
    const location = typeof values.location === "string" ? { location: values.location } : {};
    const name = id.slice(id.lastIndexOf("/") + 1);
    return [{ id, type: standsFor(type) ?? type, name, ...location, properties: {}, source: this.#source, at: () => path }];
  }

  /** What changes a resource by azapi, which has no effect on packets if its type has none; and what other providers make. */
  #foreign({ type, address, values, path }: PlannedResource): PlacedResource {
    const changed = type.startsWith("azapi_") && typeof values.type === "string" ? (values.type.split("@", 1)[0] ?? "") : "";
    const stands = treatmentOf(changed).kind === "kept" ? changed : (standsFor(type) ?? type);
    const id = `/subscriptions/${subscriptionId}/resourceGroups/terraform/providers/${stands}/${address.replaceAll("/", "-")}`;
    return { id, type: stands, name: address, properties: {}, source: this.#source, at: () => path };
  }
}

/** azapi takes ARM's own form: a type with its API version, and a body, as text in its first version. */
function azapiResource({ values, path, address }: PlannedResource): Omit<PlacedResource, "source"> | undefined {
  const { type, name, parent_id: parent, body, location } = values;
  if (typeof type !== "string") return undefined;
  const arm = type.split("@", 1)[0] ?? "";
  const own = typeof name === "string" ? name : address.slice(address.lastIndexOf(".") + 1);
  const segments = arm.split("/");
  const base = typeof parent === "string" ? parent : `/subscriptions/${subscriptionId}/resourceGroups/terraform`;
  const id = segments.length > 2 ? `${base}/${segments.at(-1)}/${own}` : `${base}/providers/${arm}/${own}`;
  const inside = typeof body === "string" ? parsedBody(body) : body;
  const properties = typeof inside === "object" && inside !== null && "properties" in inside ? inside.properties : {};
  return {
    id,
    type: arm,
    name: own,
    ...(typeof location === "string" ? { location } : {}),
    properties,
    at: (part) => [...path, "body", ...(typeof body === "string" ? [] : part)],
  };
}

/** What is nested deeper than documents may be is not read. */
function parsedBody(text: string): unknown {
  let depth = 0;
  for (const char of text) {
    if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    if (depth > bounds.depth) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** `nodes["a"]` is called `nodes-a` as long as nobody knows its name. */
function addressName({ index }: PlannedResource, name: string): string {
  return index === undefined ? name : `${name}-${String(index).replace(/[^\w.-]+/g, "-")}`;
}

export function valueAt(values: unknown, attribute: Attribute): unknown {
  let part = values;
  for (const step of attribute) {
    if (Array.isArray(part) && typeof step === "number") part = part[step];
    else if (typeof part === "object" && part !== null && !Array.isArray(part) && Object.hasOwn(part, step))
      part = (part as Record<string, unknown>)[step];
    else return undefined;
  }
  return part ?? undefined;
}
