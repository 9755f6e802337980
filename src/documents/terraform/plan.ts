/**
 * The resources of a Terraform plan (`terraform show -json PLAN`), or of a state, with their places and the expressions that they were written as.
 * Format: developer.hashicorp.com/terraform/internals/json-format.
 */

import { isRecord } from "../azure/value.ts";
import type { Path } from "../problem.ts";
import { type Source, toJson } from "../tree.ts";

type Json = Readonly<Record<string, unknown>>;

export type PlannedResource = {
  /** `module.network[0].azurerm_subnet.nodes["a"]`. */
  readonly address: string;
  readonly type: string;
  readonly name: string;
  /** Of count and for_each. */
  readonly index: string | number | undefined;
  readonly values: Json;
  /** Of `values`. */
  readonly path: Path;
  readonly module: Module;
  /** By attribute; blocks are lists of the same. */
  readonly expressions: Json;
  /** What count or for_each was written as. */
  readonly repetition: Json | undefined;
};

/** A module as it is called: `module.network[0]`, with what it was given and what it gives. */
export type Module = {
  /** Empty for the root. */
  readonly address: string;
  readonly parent: Module | undefined;
  /** Of the call. */
  readonly index: string | number | undefined;
  /** What the call was written as: an expression for each input. */
  readonly inputs: Json;
  readonly repetition: Json | undefined;
  readonly outputs: Json;
  readonly variables: Json;
};

export type Plan = {
  readonly source: Source;
  /** In the order of the document. */
  readonly resources: readonly PlannedResource[];
  readonly modules: ReadonlyMap<string, Module>;
};

const none: Json = {};

/** Modules in modules; deeper is nobody's. */
const maxDepth = 20;

export function readPlan(source: Source): Plan {
  const json = toJson(source.root);
  const root = record(json);
  const key = root.planned_values === undefined ? ["values"] : ["planned_values"];
  const planned = record(record(root[key[0] ?? ""]).root_module);
  const configuration = record(record(root.configuration).root_module);
  const resources: PlannedResource[] = [];
  const modules = new Map<string, Module>();
  const visit = (tree: Json, config: Json, module: Module, path: Path, depth: number): void => {
    modules.set(module.address, module);
    const written = new Map(list(config.resources).map((one) => [`${text(one.type)}.${text(one.name)}`, one]));
    for (const [index, one] of list(tree.resources).entries()) {
      const [type, name] = [text(one.type), text(one.name)];
      if (one.mode !== "managed" || type === "") continue;
      const as = written.get(`${type}.${name}`) ?? none;
      resources.push({
        address: text(one.address),
        type,
        name,
        index: indexOf(one.index),
        values: record(one.values),
        path: [...path, "resources", index, "values"],
        module,
        expressions: record(as.expressions),
        repetition: repetitionOf(as),
      });
    }
    if (depth >= maxDepth) return;
    const calls = record(config.module_calls);
    for (const [index, child] of list(tree.child_modules).entries()) {
      const address = text(child.address);
      const call = lastCall(address);
      const as = Object.hasOwn(calls, call.name) ? record(calls[call.name]) : none;
      const inside = record(as.module);
      const called: Module = {
        address,
        parent: module,
        index: call.index,
        inputs: record(as.expressions),
        repetition: repetitionOf(as),
        outputs: record(inside.outputs),
        variables: record(inside.variables),
      };
      visit(child, inside, called, [...path, "child_modules", index], depth + 1);
    }
  };
  const main: Module = {
    address: "",
    parent: undefined,
    index: undefined,
    inputs: none,
    repetition: undefined,
    outputs: record(configuration.outputs),
    variables: record(configuration.variables),
  };
  visit(planned, configuration, main, [...key, "root_module"], 0);
  return { source, resources, modules };
}

function repetitionOf(as: Json): Json | undefined {
  const found = as.for_each_expression ?? as.count_expression;
  return isRecord(found) ? found : undefined;
}

/** `module.a.module.network["x"]` is the call `network` with the index `x`. */
function lastCall(address: string): { readonly name: string; readonly index: string | number | undefined } {
  const match = /(?:^|\.)module\.([\w-]+)(?:\[("(?:[^"\\]|\\.)*"|\d+)\])?$/.exec(address);
  return { name: match?.[1] ?? "", index: match?.[2] === undefined ? undefined : indexIn(match[2]) };
}

/** `0`, or `"x"`. */
export function indexIn(text: string): string | number {
  return text.startsWith('"') ? text.slice(1, -1) : Number(text);
}

function indexOf(value: unknown): string | number | undefined {
  return typeof value === "string" || typeof value === "number" ? value : undefined;
}

export function record(value: unknown): Json {
  return isRecord(value) ? value : none;
}

/** The mappings of a list. */
export function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
