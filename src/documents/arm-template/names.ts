/**
 * What the names in a template's expressions mean: its parameters, with the values that are given to them, its variables, and the functions that it
 * defines. Each is evaluated once, when it is asked for first.
 */

import { closest } from "../nearest.ts";
import { excerpt, type Finding, type Path } from "../problem.ts";
import type { Source, Tree } from "../tree.ts";
import type { Host, Scope, Stage, UserFunction } from "./evaluate.ts";
import { asNode, type Field, fieldOf, fieldsOf, type Node, nullField, textOf } from "./fields.ts";
import type { GivenParameter, GivenParameters } from "./parameters.ts";
import { attempt, type Complain, copied, evaluateTree } from "./tree-value.ts";
import { checkType, isNullable, typeOf } from "./types.ts";
import { refuse, Unknown, type Value } from "./value.ts";

type Template = { readonly source: Source; readonly node: Node; readonly given: GivenParameters };

/** One of `variables.copy`. */
type VariableLoop = { readonly item: Tree; readonly path: Path };

/** Azure docs: templates/best-practices, Template limits. */
const mostParameters = 256;

const noLoops: ReadonlyMap<string, number> = new Map();

export class TemplateNames {
  readonly #template: Template;
  readonly #host: Host;
  readonly #report: (source: Source, path: Path, finding: Finding) => void;
  readonly #complain: Complain;
  readonly #userFunctions = new Map<string, UserFunction>();
  readonly #parameters = new Map<string, Value>();
  readonly #variables = new Map<string, Value>();
  /** What is being evaluated. */
  readonly #open = new Set<string>();
  #loopedVariables: ReadonlyMap<string, VariableLoop> | undefined;

  constructor(template: Template, host: Host, report: (source: Source, path: Path, finding: Finding) => void) {
    this.#template = template;
    this.#host = host;
    this.#report = report;
    this.#complain = (path, finding) => report(template.source, path, finding);
    this.#readFunctions();
  }

  /** Says everything that is wrong with them. */
  evaluateAll(): void {
    this.#checkParameters();
    const variables = asNode(fieldOf(this.#template.node, "variables"));
    for (const field of variables === undefined ? [] : fieldsOf(variables)) {
      if (field.key.toLowerCase() !== "copy") attempt(field.path, this.#complain, () => this.variable(field.key));
    }
    for (const [name, { path }] of this.#variableLoops()) attempt(path, this.#complain, () => this.variable(name));
  }

  userFunction(namespace: string, name: string): UserFunction | undefined {
    return this.#userFunctions.get(`${namespace}.${name}`.toLowerCase());
  }

  #scope(stage: Stage): Scope {
    return { stage, host: this.#host, loops: noLoops, lambdaVariables: new Map() };
  }

  parameter(name: string): Value {
    const { node, given } = this.#template;
    const key = name.toLowerCase();
    const known = this.#parameters.get(key);
    if (known !== undefined) return known;
    const all = asNode(fieldOf(node, "parameters"));
    const declaration = all === undefined ? undefined : asNode(fieldOf(all, name));
    if (declaration === undefined) {
      const meant = all === undefined ? undefined : closest(name, all.tree.entries.keys());
      return refuse(
        `the template parameter '${excerpt(name)}' is not found`,
        meant === undefined ? "declare it under parameters" : `did you mean ${meant}?`,
      );
    }
    return this.#once(`parameter ${key}`, () => {
      const value = this.#parameterValue(name, declaration, given.get(key));
      this.#parameters.set(key, value);
      return value;
    });
  }

  variable(name: string): Value {
    const { node } = this.#template;
    const key = name.toLowerCase();
    const known = this.#variables.get(key);
    if (known !== undefined) return known;
    const all = asNode(fieldOf(node, "variables"));
    const field = all === undefined ? undefined : (fieldOf(all, name) ?? nullField(all, name));
    const loop = this.#variableLoops().get(key);
    if (field === undefined && loop === undefined) {
      const meant = all === undefined ? undefined : closest(name, all.tree.entries.keys());
      return refuse(
        `the template variable '${excerpt(name)}' is not found`,
        meant === undefined ? "define it under variables" : `did you mean ${meant}?`,
      );
    }
    return this.#once(`variable ${key}`, () => {
      const scope = this.#scope("variable");
      const value =
        loop === undefined
          ? evaluateField(field, scope, this.#complain)
          : (copied(loop.item, loop.path, scope, this.#complain)?.[1] ?? null);
      this.#variables.set(key, value);
      return value;
    });
  }

  #parameterValue(name: string, declaration: Node, given: GivenParameter | undefined): Value {
    const { node, source } = this.#template;
    const definitions = asNode(fieldOf(node, "definitions"));
    const type = typeOf(declaration, definitions);
    let value = given?.value(type);
    let place: { readonly source: Source; readonly path: Path } = {
      source: given?.source ?? source,
      path: given?.source === undefined ? declaration.path : given.path,
    };
    const standard = fieldOf(declaration, "defaultValue");
    // Null is as good as nothing where there is a default: Bicep's modules count on it.
    if ((value === undefined || value === null) && standard !== undefined) {
      value = evaluateTree(standard.tree, standard.path, this.#scope("default"), this.#complain);
      place = { source, path: standard.path };
    }
    if (value === undefined && (isNullable(declaration, definitions) || declaration.tree.entries.has("defaultValue"))) return null;
    if (value === undefined) {
      this.#complain(declaration.path, {
        code: "InvalidTemplate",
        message: `the value for the template parameter '${excerpt(name)}' is not provided`,
        source: "Azure docs: templates/parameters",
        fix: `give it: --parameters ${name}=${type === undefined || type.includes("string") ? "VALUE" : exampleOf(type)}, or --parameters FILE with a parameter file`,
      });
      return new Unknown(`the parameter ${name}`, true);
    }
    checkType(value, declaration, {
      definitions,
      complain: (where, finding) =>
        this.#report(place.source, place.path, {
          ...finding,
          message: `the template parameter '${excerpt(name + where)}' is not valid: ${finding.message}`,
        }),
    });
    return value;
  }

  #checkParameters(): void {
    const { node, given, source } = this.#template;
    const all = asNode(fieldOf(node, "parameters"));
    const declared = all === undefined ? [] : fieldsOf(all);
    if (declared.length > mostParameters) {
      this.#complain(node.path, {
        code: "InvalidTemplate",
        message: `the template has ${declared.length} parameters; Azure takes ${mostParameters}`,
      });
      return;
    }
    for (const field of declared) attempt(field.path, this.#complain, () => this.parameter(field.key));
    const names = new Set(declared.map((field) => field.key.toLowerCase()));
    for (const [key, one] of given) {
      if (names.has(key)) continue;
      const meant = closest(
        one.name,
        declared.map((field) => field.key),
      );
      this.#report(one.source ?? source, one.source === undefined ? [] : one.path, {
        code: "InvalidTemplate",
        message: `the parameter '${excerpt(one.name)}' is given, and the template${one.source === undefined ? ` ${source.file}` : ""} declares none of that name`,
        fix: meant === undefined ? "leave it out" : `did you mean ${meant}?`,
      });
    }
  }

  /** Variables that `variables.copy` makes, by name in lower case. */
  #variableLoops(): ReadonlyMap<string, VariableLoop> {
    if (this.#loopedVariables !== undefined) return this.#loopedVariables;
    const all = asNode(fieldOf(this.#template.node, "variables"));
    const copy = all === undefined ? undefined : fieldOf(all, "copy");
    const loops = new Map<string, VariableLoop>();
    if (copy?.tree.kind === "list") {
      for (const [index, item] of copy.tree.items.entries()) {
        const name = item.kind === "map" ? textOf(fieldOf({ tree: item, path: [] }, "name")) : undefined;
        if (name !== undefined) loops.set(name.toLowerCase(), { item, path: [...copy.path, index] });
      }
    }
    this.#loopedVariables = loops;
    return loops;
  }

  #once(what: string, work: () => Value): Value {
    if (this.#open.has(what)) return refuse(`the ${what} is defined by itself`, "break the circle");
    this.#open.add(what);
    try {
      return work();
    } finally {
      this.#open.delete(what);
    }
  }

  #readFunctions(): void {
    const list = fieldOf(this.#template.node, "functions");
    if (list?.tree.kind !== "list") return;
    for (const [index, item] of list.tree.items.entries()) {
      if (item.kind !== "map") continue;
      const node: Node = { tree: item, path: [...list.path, index] };
      const [namespace, members] = [textOf(fieldOf(node, "namespace")), asNode(fieldOf(node, "members"))];
      if (namespace === undefined || members === undefined) continue;
      for (const field of fieldsOf(members)) {
        const member = asNode(field);
        if (member !== undefined) this.#defineFunction(`${namespace}.${field.key}`, member);
      }
    }
  }

  #defineFunction(name: string, member: Node): void {
    const list = fieldOf(member, "parameters")?.tree;
    const names =
      list?.kind === "list"
        ? list.items.map((item) => (item.kind === "map" ? (textOf(fieldOf({ tree: item, path: [] }, "name")) ?? "") : ""))
        : [];
    const output = asNode(fieldOf(member, "output"));
    const value = output === undefined ? undefined : fieldOf(output, "value");
    if (value === undefined) {
      this.#complain(member.path, {
        code: "InvalidTemplate",
        message: `the function ${excerpt(name)} has no output`,
        fix: "give it output.value",
      });
      return;
    }
    this.#userFunctions.set(name.toLowerCase(), {
      name,
      parameters: names.map((parameter) => parameter.toLowerCase()),
      evaluate: (given) =>
        this.#once(`function ${name}`, () =>
          evaluateTree(value.tree, value.path, { ...this.#scope("function"), functionArguments: given }, this.#complain),
        ),
    });
  }
}

function exampleOf(type: string): string {
  if (type === "int") return "3";
  if (type === "bool") return "true";
  return type === "array" ? "'[…]'" : "'{…}'";
}

function evaluateField(field: Field | undefined, scope: Scope, complain: Complain): Value {
  return field === undefined ? null : evaluateTree(field.tree, field.path, scope, complain);
}
