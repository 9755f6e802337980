/**
 * Shapes of documents, written once: they read a tree, complain about what does not fit, and are a JSON Schema.
 *
 * Reading goes on after a complaint, and gives what could be understood, so that one run finds every problem. Rules of meaning (which addresses,
 * how many nodes) are not here: shapes know types, names of properties, and words to choose from.
 */

import { closest } from "./nearest.ts";
import { excerpt, type Finding, formatValue, type Path } from "./problem.ts";
import { type Tree, toJson } from "./tree.ts";

export type JsonSchema = { readonly [keyword: string]: unknown };

/** `of`: does the problem lie in the key or in the value? It says where the message points. */
export type Complain = (path: Path, finding: Finding, of?: "key" | "value") => void;

export type Shape<T> = {
  readonly schema: JsonSchema;
  /** What could be understood; `undefined` when nothing could. */
  readonly read: (tree: Tree, path: Path, complain: Complain) => T | undefined;
};

/** A property: how it is read when it is there, and what it is when it is not, or is wrong. */
export type Field<V> = {
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
  readonly read: (tree: Tree | undefined, path: Path, complain: Complain) => V;
};

export function required<T>(shape: Shape<T>, description: string): Field<T | undefined> {
  return {
    schema: { ...shape.schema, description },
    isRequired: true,
    // An absent one is reported by the object, which knows what it is.
    read: (tree, path, complain) => (tree === undefined ? undefined : shape.read(tree, path, complain)),
  };
}

export function optional<T>(shape: Shape<T>, description: string): Field<T | undefined> {
  return { ...required(shape, description), isRequired: false };
}

export function withDefault<T>(shape: Shape<T>, value: T, description: string): Field<T> {
  return {
    schema: { ...shape.schema, description, default: value },
    isRequired: false,
    read: (tree, path, complain) => (tree === undefined ? undefined : shape.read(tree, path, complain)) ?? value,
  };
}

type Fields = { readonly [name: string]: Field<unknown> };
type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer V> ? V : never };

export type ObjectOptions = {
  /** What it is, with its article: `a cluster`. */
  readonly what: string;
  /** Words that others use for a property: `nodePools` for `pools`. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** Properties that would change where packets go: what is not modelled, and what to do instead. */
  readonly notModelled?: Readonly<Record<string, string>>;
};

export function object<F extends Fields>(fields: F, options: ObjectOptions): Shape<Values<F>> {
  const names = Object.keys(fields);
  const requiredNames = names.filter((name) => fields[name]?.isRequired === true);
  return {
    schema: {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, fields[name]?.schema])),
      ...(requiredNames.length === 0 ? {} : { required: requiredNames }),
      additionalProperties: false,
    },
    read: (tree, path, complain) => {
      if (tree.kind !== "map") {
        complain(path, wrongType(tree, `${options.what} is a mapping of ${names.join(", ")}`));
        return undefined;
      }
      /** Properties that are there under a wrong name: they are not missing. */
      const misspelled = new Set<string>();
      for (const [name, entry] of tree.entries) {
        if (Object.hasOwn(fields, name)) continue;
        const { finding, meant } = unknownProperty(name, entry.value, names, options);
        complain([...path, name], finding, "key");
        if (meant !== undefined) misspelled.add(meant);
      }
      const values: [string, unknown][] = [];
      for (const name of names) {
        const entry = tree.entries.get(name);
        // A property without a value is as good as none.
        const value = entry?.value.kind === "scalar" && entry.value.value === null ? undefined : entry?.value;
        if (value === undefined && fields[name]?.isRequired === true && !misspelled.has(name)) {
          const fix = descriptionOf(fields[name].schema);
          complain([...path, name], {
            code: "RequiredProperty",
            message: `${options.what} needs ${name}`,
            ...(fix === undefined ? {} : { fix }),
          });
        }
        values.push([name, fields[name]?.read(value, [...path, name], complain)]);
      }
      return Object.fromEntries(values) as Values<F>;
    },
  };
}

function descriptionOf(schema: JsonSchema): string | undefined {
  const { description, examples } = schema;
  if (typeof description !== "string") return undefined;
  const example = Array.isArray(examples) && examples.length > 0 ? `, such as ${JSON.stringify(examples[0])}` : "";
  return `give it: ${description.split(". ", 1)[0]?.replace(/\.$/, "")}${example}`;
}

function unknownProperty(
  name: string,
  tree: Tree,
  names: readonly string[],
  options: ObjectOptions,
): { readonly finding: Finding; readonly meant?: string } {
  const value = tree.kind === "scalar" ? { value: tree.value } : {};
  const { synonyms = {}, notModelled = {} } = options;
  if (Object.hasOwn(notModelled, name)) {
    const fix = notModelled[name] ?? "";
    return { finding: { code: "NotModelled", ...value, message: `${name} of ${options.what} is not modelled yet`, fix } };
  }
  const meant = Object.hasOwn(synonyms, name) ? synonyms[name] : closest(name, names);
  const problem = { code: "UnknownProperty", ...value, fix: `properties are ${names.join(", ")}` };
  const message = `${options.what} has no property ${JSON.stringify(excerpt(name))}`;
  return meant === undefined
    ? { finding: { ...problem, message } }
    : { finding: { ...problem, message: `${message}; did you mean ${meant}?` }, meant };
}

function wrongType(tree: Tree, wanted: string): Finding {
  const value = tree.kind === "scalar" ? { value: tree.value } : {};
  const given = tree.kind === "scalar" ? formatValue(tree.value) : tree.kind === "list" ? "a list" : "a mapping";
  return { code: "WrongType", ...value, message: `${wanted}; this is ${given}` };
}

export type ListOptions = { readonly what: string; readonly least?: number };

/** Positions are kept: what could not be read is `undefined`. */
export function list<T>(item: Shape<T>, options: ListOptions): Shape<readonly (T | undefined)[]> {
  return {
    schema: { type: "array", items: item.schema, ...(options.least === undefined ? {} : { minItems: options.least }) },
    read: (tree, path, complain) => {
      if (tree.kind !== "list") {
        complain(path, { ...wrongType(tree, `${options.what} is a list`), fix: "put it in brackets, [ ], or start each item with -" });
        return undefined;
      }
      if (tree.items.length < (options.least ?? 0)) {
        complain(path, {
          code: "InvalidValue",
          message: `${options.what} needs at least ${options.least === 1 ? "one item" : `${options.least} items`}`,
        });
      }
      return tree.items.map((part, index) => item.read(part, [...path, index], complain));
    },
  };
}

export type TextOptions = {
  readonly what: string;
  readonly pattern?: RegExp;
  /** The pattern in words. Without it the pattern is for the schema only: Azure's own rule checks it, with Azure's code. */
  readonly rule?: string;
  readonly examples?: readonly string[];
  readonly source?: string;
  /** A number as it was written is text enough: `1.30`, `80`. */
  readonly numbersToo?: boolean;
};

export function text(options: TextOptions): Shape<string> {
  const { what, pattern, rule, examples, source } = options;
  return {
    schema: {
      type: options.numbersToo === true ? ["string", "number"] : "string",
      ...(pattern === undefined ? {} : { pattern: pattern.source }),
      ...(examples === undefined ? {} : { examples }),
    },
    read: (tree, path, complain) => {
      const isNumber = tree.kind === "scalar" && typeof tree.value === "number";
      if (tree.kind !== "scalar" || (typeof tree.value !== "string" && !(isNumber && options.numbersToo === true))) {
        const fix = tree.kind === "scalar" && tree.text !== "" ? { fix: `quote it: ${JSON.stringify(excerpt(tree.text))}` } : {};
        complain(path, { ...wrongType(tree, `${what} is text`), ...fix });
        return undefined;
      }
      const value = typeof tree.value === "string" ? tree.value : tree.text;
      if (rule !== undefined && pattern !== undefined && !pattern.test(value)) {
        const example = examples?.[0] === undefined ? "" : `, such as ${examples[0]}`;
        const from = source === undefined ? {} : { source };
        complain(path, {
          code: "InvalidValue",
          value,
          message: `${formatValue(value)} is no ${what}`,
          fix: `use ${rule}${example}`,
          ...from,
        });
      }
      return value;
    },
  };
}

export type IntegerOptions = { readonly what: string; readonly min?: number; readonly max?: number };

/** The bounds are for the schema: Azure's own rules check them, with Azure's codes. */
export function integer(options: IntegerOptions): Shape<number> {
  const { what, min, max } = options;
  return {
    schema: { type: "integer", ...(min === undefined ? {} : { minimum: min }), ...(max === undefined ? {} : { maximum: max }) },
    read: (tree, path, complain) => {
      if (tree.kind === "scalar" && typeof tree.value === "number" && Number.isSafeInteger(tree.value)) return tree.value;
      const isQuoted = tree.kind === "scalar" && typeof tree.value === "string" && /^\d+$/.test(tree.value);
      complain(path, { ...wrongType(tree, `${what} is a whole number`), ...(isQuoted ? { fix: "leave the quotes out" } : {}) });
      return undefined;
    },
  };
}

export function flag(what: string): Shape<boolean> {
  return {
    schema: { type: "boolean" },
    read: (tree, path, complain) => {
      if (tree.kind === "scalar" && typeof tree.value === "boolean") return tree.value;
      complain(path, wrongType(tree, `${what} is true or false`));
      return undefined;
    },
  };
}

export type ChoiceOptions = {
  readonly what: string;
  /** Azure has them, labs do not: what to do instead. */
  readonly notModelled?: Readonly<Record<string, string>>;
  readonly source?: string;
};

export function choice<const T extends string>(values: readonly T[], options: ChoiceOptions): Shape<T> {
  const { what, notModelled = {}, source } = options;
  return {
    // With nothing to choose from, an editor should mark whatever is written.
    schema: values.length === 0 ? { not: {} } : { type: "string", enum: [...values] },
    read: (tree, path, complain) => {
      const from = source === undefined ? {} : { source };
      if (tree.kind !== "scalar" || typeof tree.value !== "string") {
        complain(path, { ...wrongType(tree, `${what} is one of ${values.join(", ")}`), ...from });
        return undefined;
      }
      const { value } = tree;
      const found = values.find((candidate) => candidate === value);
      if (found !== undefined) return found;
      if (Object.hasOwn(notModelled, value)) {
        complain(path, {
          code: "NotModelled",
          value,
          message: `${what} ${value} is not modelled yet`,
          fix: notModelled[value] ?? "",
          ...from,
        });
        return undefined;
      }
      // What was probably meant is what further checks go by, so that they say nothing about the misspelling's consequences.
      const meant = closest(value, values);
      const message = `${formatValue(value)} is no ${what}`;
      complain(path, {
        code: "InvalidValue",
        value,
        message: meant === undefined ? message : `${message}; did you mean ${meant}?`,
        fix: `use ${values.join(" or ")}`,
        ...from,
      });
      return values.find((candidate) => candidate === meant);
    },
  };
}

/** A mapping with keys of one's own and text as values: labels. */
export function textMap(what: string): Shape<Readonly<Record<string, string>>> {
  return {
    schema: { type: "object", additionalProperties: { type: "string" } },
    read: (tree, path, complain) => {
      const value = toJson(tree);
      if (tree.kind !== "map" || typeof value !== "object" || value === null) {
        complain(path, wrongType(tree, `${what} is a mapping of text to text`));
        return undefined;
      }
      const entries: [string, string][] = [];
      for (const [key, child] of Object.entries(value)) {
        if (typeof child === "string") entries.push([key, child]);
        else
          complain([...path, key], {
            code: "WrongType",
            value: child,
            message: `${what} has text as values; this is ${formatValue(child)}`,
            fix: "quote it",
          });
      }
      return Object.fromEntries(entries);
    },
  };
}
