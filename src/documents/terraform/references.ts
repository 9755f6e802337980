/**
 * Which resource of a plan an expression means. An id is known only after apply, so a plan has none where it matters most; its configuration says
 * what each attribute was written as: `azurerm_subnet.nodes.id`, `module.network.subnet_ids["a"]`, `var.subnet_id`, `each.value`.
 *
 * References are followed through modules' inputs and outputs. Where several instances are meant, the one with the index of who asks is taken; local
 * values are not in a plan, so what goes through one is not found.
 */

import { indexIn, list, type Module, type Plan, type PlannedResource, record } from "./plan.ts";

type Json = Readonly<Record<string, unknown>>;

/** An expression can lead through so many others. */
const maxSteps = 200;

export class References {
  readonly #byName = new Map<string, PlannedResource[]>();
  readonly #modules: ReadonlyMap<string, Module>;
  /** Instances of a call, by its address without the last index. */
  readonly #instances = new Map<string, Module[]>();

  constructor({ resources, modules }: Plan) {
    this.#modules = modules;
    for (const module of modules.values()) {
      if (module.index === undefined) continue;
      const call = module.address.slice(0, module.address.lastIndexOf("["));
      const instances = this.#instances.get(call);
      if (instances === undefined) this.#instances.set(call, [module]);
      else instances.push(module);
    }
    for (const resource of resources) {
      const key = nameIn(resource.module, resource.type, resource.name);
      const all = this.#byName.get(key);
      if (all === undefined) this.#byName.set(key, [resource]);
      else all.push(resource);
    }
  }

  /** The resources of these types that an attribute of a resource means; several when it cannot be told which. */
  of(resource: PlannedResource, attribute: readonly (string | number)[], types: readonly string[]): readonly PlannedResource[] {
    const found = new Set<PlannedResource>();
    const context: Context = { types, found, seen: new Set(), steps: { left: maxSteps } };
    this.#follow(expressionAt(resource.expressions, attribute), { module: resource.module, index: resource.index, resource }, context);
    return [...found];
  }

  /** Does the configuration give the attribute a value that is not a constant null? */
  isWritten({ expressions }: PlannedResource, attribute: readonly (string | number)[]): boolean {
    const expression = expressionAt(expressions, attribute);
    return Array.isArray(expression.references) ? expression.references.length > 0 : expression.constant_value !== undefined;
  }

  #follow(expression: Json, from: Place, context: Context): void {
    const references = Array.isArray(expression.references) ? expression.references.filter((one) => typeof one === "string") : [];
    // What a reference is a part of follows it: the longest says it best.
    const own = references.filter(
      (one, at) => !references.slice(0, at).some((longer) => longer.startsWith(`${one}.`) || longer.startsWith(`${one}[`)),
    );
    // `azurerm_subnet.s[each.value.subnet]` is not the subnet with the key of who asks.
    const isKeyed = !own.some((reference) => reference.startsWith("each.value"));
    for (const reference of own) this.#step(reference, isKeyed ? from : { ...from, isOther: true }, context);
    // An expression may be a block, or a list of them.
    if (references.length > 0) return;
    for (const part of Object.values(expression)) {
      for (const inner of Array.isArray(part) ? list(part) : [record(part)]) this.#follow(inner, from, context);
    }
  }

  #step(reference: string, from: Place, context: Context): void {
    const key = `${from.module.address}\0${reference}\0${from.resource?.address ?? ""}\0${from.index}`;
    if (context.seen.has(key) || context.steps.left-- <= 0) return;
    context.seen.add(key);
    const { module } = from;
    const [first, second, ...rest] = tokens(reference);
    if (first === undefined || second === undefined) return;
    switch (first) {
      case "var": {
        if (module.parent === undefined) return;
        this.#follow(record(module.inputs[String(second)]), { module: module.parent, index: module.index ?? from.index }, context);
        return;
      }
      case "each":
      case "count": {
        const repetition = from.resource?.repetition ?? (from.resource === undefined ? module.repetition : undefined);
        // What one goes through is asked for by its own key.
        const { isOther: _other, ...own } = from;
        if (repetition !== undefined) this.#follow(repetition, own, context);
        return;
      }
      case "module": {
        const [maybe, output] = rest;
        const index = typeof maybe === "object" ? maybe.index : undefined;
        const name = typeof maybe === "object" ? output : maybe;
        const path = `${module.address === "" ? "" : `${module.address}.`}module.${String(second)}`;
        for (const called of this.#called(path, index, from.index)) {
          const outputs = name === undefined ? Object.values(called.outputs) : [called.outputs[String(name)]];
          for (const one of outputs)
            this.#follow(record(record(one).expression), { module: called, index: lastIndex(rest) ?? from.index }, context);
        }
        return;
      }
      case "data":
      case "local":
      case "path":
      case "terraform":
        return;
      default: {
        const all = this.#byName.get(nameIn(module, first as string, String(second))) ?? [];
        const given = rest[0];
        const wanted = typeof given === "object" ? given.index : undefined;
        const own = from.isOther === true ? undefined : from.index;
        const matching = wanted === undefined ? sameIndex(all, own) : all.filter(({ index }) => String(index) === String(wanted));
        for (const one of matching) {
          if (context.types.includes(one.type)) context.found.add(one);
          else this.#through(one, rest, context);
        }
      }
    }
  }

  /** `azurerm_kubernetes_cluster.aks.default_node_pool[0].vnet_subnet_id` means what that attribute was written as. */
  #through(resource: PlannedResource, rest: readonly Token[], context: Context): void {
    const attribute = (typeof rest[0] === "object" ? rest.slice(1) : rest).map((token) =>
      typeof token === "object" ? token.index : token,
    );
    if (attribute.length === 0) return;
    this.#follow(expressionAt(resource.expressions, attribute), { module: resource.module, index: resource.index, resource }, context);
  }

  #called(path: string, index: string | number | undefined, own: string | number | undefined): readonly Module[] {
    const plain = this.#modules.get(path);
    if (plain !== undefined) return [plain];
    const all = this.#instances.get(path) ?? [];
    return index === undefined ? sameIndex(all, own) : all.filter((one) => String(one.index) === String(index));
  }
}

type Place = {
  readonly module: Module;
  readonly index: string | number | undefined;
  /** Whose count or for_each `count` and `each` mean. */
  readonly resource?: PlannedResource;
  /** Another index than that of who asks is meant. */
  readonly isOther?: true;
};

type Context = {
  readonly types: readonly string[];
  readonly found: Set<PlannedResource>;
  readonly seen: Set<string>;
  readonly steps: { left: number };
};

/** Of several instances the one with the same index, if there is one. */
function sameIndex<T extends { readonly index: string | number | undefined }>(
  all: readonly T[],
  index: string | number | undefined,
): readonly T[] {
  if (all.length < 2 || index === undefined) return all;
  const same = all.filter((one) => String(one.index) === String(index));
  return same.length === 0 ? all : same;
}

function nameIn(module: Module, type: string, name: string): string {
  return `${module.address}\0${type}\0${name}`;
}

type Token = string | { readonly index: string | number };

/** `azurerm_subnet.s["a"].id`: words, and indexes in brackets. */
function tokens(reference: string): readonly Token[] {
  return [...reference.matchAll(/([\w-]+)|\[("(?:[^"\\]|\\.)*"|\d+)\]/g)].map(([, word, index]) =>
    index === undefined ? (word ?? "") : { index: indexIn(index) },
  );
}

function lastIndex(parts: readonly Token[]): string | number | undefined {
  const last = parts.at(-1);
  return typeof last === "object" ? last.index : undefined;
}

/** The expression of an attribute, through blocks: `["default_node_pool", 0, "vnet_subnet_id"]`. */
function expressionAt(expressions: Json, attribute: readonly (string | number)[]): Json {
  let part: unknown = expressions;
  for (const step of attribute) {
    if (Array.isArray(part) && typeof step === "number") {
      // Dynamic blocks are written once and are there many times.
      part = part[step] ?? part[0];
    } else if (Array.isArray(part)) return none;
    else if (typeof step === "string") part = Object.hasOwn(record(part), step) ? record(part)[step] : undefined;
    // A block that may be there once is no list in the configuration.
  }
  return record(part);
}

const none: Json = {};
