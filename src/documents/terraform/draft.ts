/** An ARM resource in the making: each of its properties, and the attribute of the plan that it comes from. */

import type { PropertyPath } from "../../arm/rules/problem.ts";
import type { PlacedResource } from "../azure/placed.ts";
import { isRecord } from "../azure/value.ts";
import type { Source } from "../tree.ts";
import type { PlannedResource } from "./plan.ts";

/** From a resource's `values` to a part of them. */
export type Attribute = readonly (string | number)[];

type Mutable = { [key: string]: unknown };

export class Draft {
  readonly resource: PlannedResource;
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly properties: Mutable = {};
  /** By the property's path, joined by dots. */
  readonly #places = new Map<string, { readonly resource: PlannedResource; readonly attribute: Attribute }>();

  constructor(resource: PlannedResource, id: string, type: string, name: string) {
    this.resource = resource;
    this.id = id;
    this.type = type;
    this.name = name;
  }

  /** `property`: `subnet.id`, `ipConfigurations.0.name`. `from`: where it is in the resource, or in the one that adds it. Absent values are left out. */
  put(property: string, value: unknown, from: Attribute, resource: PlannedResource = this.resource): void {
    if (value === undefined || value === null) return;
    const steps = property.split(".");
    const last = steps.pop() ?? "";
    let part: Mutable = this.properties;
    for (const [index, step] of steps.entries()) {
      const next = part[step];
      if (isRecord(next) || Array.isArray(next)) part = next as Mutable;
      else {
        const made: unknown = /^\d+$/.test(steps[index + 1] ?? last) ? [] : {};
        part[step] = made;
        part = made as Mutable;
      }
    }
    part[last] = value;
    this.#places.set(property, { resource, attribute: from });
  }

  /** Adds to a list. */
  push(property: string, value: unknown, from: Attribute, resource: PlannedResource = this.resource): void {
    const list = this.properties[property];
    const index = Array.isArray(list) ? list.length : 0;
    this.put(`${property}.${index}`, value, from, resource);
  }

  finished(source: Source): PlacedResource {
    const { location, tags } = this.resource.values;
    return {
      id: this.id,
      type: this.type,
      name: this.name,
      ...(typeof location === "string" ? { location } : {}),
      ...(isRecord(tags) ? { tags: texts(tags) } : {}),
      properties: this.properties,
      source,
      at: (part) => this.#at(part),
    };
  }

  /** The attribute of the property, or of what it is in. */
  #at(part: PropertyPath): PropertyPath {
    const steps = part[0] === "properties" ? part.slice(1) : part;
    for (let length = steps.length; length > 0; length--) {
      const found = this.#places.get(steps.slice(0, length).join("."));
      // An item of a list is where it is in the plan's list; names of properties differ.
      const rest = steps.slice(length).filter((step) => typeof step === "number");
      if (found !== undefined) return [...found.resource.path, ...found.attribute, ...rest];
    }
    return this.resource.path;
  }
}

function texts(tags: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(tags).flatMap(([key, value]) => (typeof value === "string" ? [[key, value] as const] : [])));
}
