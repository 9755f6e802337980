/**
 * A deployment of a template: what Resource Manager makes of it, resource by resource, in the order in which it would deploy them.
 *
 * Names, types, conditions and loops come first, for all resources; then each resource's body, when its turn comes or when another refers to it.
 * A nested deployment is a deployment in turn, and its outputs are there for those after it.
 */

import { nodeResourceGroup } from "../../arm/names.ts";
import type { PlacedResource } from "../azure/placed.ts";
import { closest } from "../nearest.ts";
import { excerpt, type Finding, type Kept, type Path } from "../problem.ts";
import { placeOf, type Source, type Tree } from "../tree.ts";
import { contextFunctions, type Deployment as DeploymentContext, listFunction } from "./context-functions.ts";
import type { ContextFunction, Host, Meter, Scope, Stage, UserFunction } from "./evaluate.ts";
import { asNode, type Field, fieldOf, fieldsOf, flagOf, type Node, textOf } from "./fields.ts";
import { type DeploymentPlace, extensionId, resourceIdAt, scopePrefix } from "./ids.ts";
import type { GivenParameter, GivenParameters } from "./parameters.ts";
import { attempt, type Complain, copied, evaluateTree, turnsOf } from "./tree-value.ts";
import { checkType, isNullable, typeOf } from "./types.ts";
import { isList, ObjectValue, opened, refuse, toPlain, Unknown, type Value } from "./value.ts";

export type Output = { readonly name: string; readonly type: string; readonly value: Value };

/** What all deployments of the documents share. */
export type World = {
  readonly meter: Meter;
  /** The time of the deployment in ISO 8601; without it, it is unknown. */
  readonly now: string | undefined;
  readonly report: (source: Source, path: Path, finding: Finding) => void;
  readonly keep: (kept: Kept) => void;
  /** The template beside the one of `source`, by its path; reported when it cannot be read, `undefined` when it is not there. */
  readonly linked: (path: string, source: Source) => Source | undefined;
  /** By id in lower case: the last one of an id is what is there in the end. */
  readonly resources: Map<string, Deployed>;
};

/** A resource after its turn, as `reference` sees it. */
export type Deployed = { readonly placed: PlacedResource | undefined; readonly whole: () => Value };

export type DeploymentOptions = {
  readonly source: Source;
  readonly node: Node;
  readonly name: string;
  readonly place: DeploymentPlace;
  readonly given: GivenParameters;
  /** The deployment whose names the expressions of this one mean: that around a nested template of outer scope. */
  readonly outer?: { readonly deployment: TemplateDeployment; readonly loops: ReadonlyMap<string, number> };
  /** Deployments around this one. */
  readonly depth: number;
};

type VariableLoops = ReadonlyMap<string, { readonly list: Tree & { readonly kind: "list" }; readonly path: Path }>;

/** One of a resource's loop, or the resource. */
type Instance = {
  readonly node: Node;
  readonly scope: Scope;
  readonly type: string;
  /** Unknown: made of what is known at run time only. */
  readonly name: string | Unknown;
  readonly id: string | undefined;
  readonly symbol?: string;
  readonly loop?: string;
  readonly place: DeploymentPlace;
  readonly isExisting: boolean;
  /** False: not deployed. */
  readonly condition: boolean;
  readonly parent?: Instance;
  deployed?: Deployed;
  state: "waiting" | "running" | "done";
};

/** Deployments in one another at most (Azure docs: templates/linked-templates). */
const deepest = 5;
/** Resources of a template at most (Azure docs: templates/best-practices, Template limits). */
const mostResources = 800;
const mostOutputs = 64;
const mostParameters = 256;

const noLoops: ReadonlyMap<string, number> = new Map();

export class TemplateDeployment implements Host {
  readonly #world: World;
  readonly #options: DeploymentOptions;
  readonly #complain: Complain;
  readonly #functions: ReturnType<typeof contextFunctions>;
  readonly #userFunctions = new Map<string, UserFunction>();
  readonly #parameters = new Map<string, Value>();
  readonly #variables = new Map<string, Value>();
  /** Parameters and variables that are being evaluated. */
  readonly #open = new Set<string>();
  #loopedVariables: VariableLoops | undefined;
  readonly #instances: Instance[] = [];
  #outputs: readonly Output[] | undefined;

  constructor(world: World, options: DeploymentOptions) {
    this.#world = world;
    this.#options = options;
    this.#complain = (path, finding) => world.report(options.source, path, finding);
    this.#functions = contextFunctions(this.#context());
    this.#readFunctions();
  }

  get meter(): Meter {
    return this.#world.meter;
  }

  functionNamed(name: string): ContextFunction | undefined {
    const { outer } = this.#options;
    if (outer !== undefined && name !== "reference") return outer.deployment.functionNamed(name);
    return this.#functions.get(name) ?? listFunction(name);
  }

  userFunction(namespace: string, name: string): UserFunction | undefined {
    const { outer } = this.#options;
    return outer === undefined
      ? this.#userFunctions.get(`${namespace}.${name}`.toLowerCase())
      : outer.deployment.userFunction(namespace, name);
  }

  /** Deploys everything. Whatever is wrong is reported; the rest goes on. */
  run(): void {
    const { node, outer } = this.#options;
    if (outer === undefined) {
      this.#checkParameters();
      for (const field of fieldsOf(asNode(fieldOf(node, "variables")) ?? emptyNode(node))) {
        if (field.key.toLowerCase() !== "copy") attempt(field.path, this.#complain, () => this.variable(field.key));
      }
      for (const name of this.#variableLoops().keys()) attempt(node.path, this.#complain, () => this.variable(name));
    }
    this.#listInstances();
    for (const instance of this.#ordered()) attempt(instance.node.path, this.#complain, () => this.#deploy(instance).whole());
    this.outputs();
  }

  // What expressions ask.

  #context(): DeploymentContext {
    const { name, place, source } = this.#options;
    return {
      name,
      place,
      now: this.#world.now,
      templateUri: templateUri(source),
      parameter: (parameter) => this.parameter(parameter),
      variable: (variable) => this.variable(variable),
      locationOfGroup: (group) => this.#locationOfGroup(group),
      reference: (target, isWhole) => this.reference(target, isWhole),
      references: (symbol, isWhole) =>
        this.#instances
          .filter((instance) => sameName(instance.symbol, symbol) && instance.condition)
          .map((instance) => this.#seen(instance, isWhole)),
      resourceInfo: (symbol) => {
        const found = this.#instances.find((instance) => sameName(instance.symbol, symbol));
        if (found === undefined) return refuse(`the template has no resource with symbolic name ${excerpt(symbol)}`);
        const { id, type, name: own } = found;
        return ObjectValue.of({ id: id ?? new Unknown("the id of a resource whose name is known at run time only"), type, name: own });
      },
    };
  }

  #scope(stage: Stage, loops: ReadonlyMap<string, number> = this.#options.outer?.loops ?? noLoops): Scope {
    return { stage, host: this, loops, lambdaVariables: new Map() };
  }

  parameter(name: string): Value {
    const { outer, node, given } = this.#options;
    if (outer !== undefined) return outer.deployment.parameter(name);
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

  #parameterValue(name: string, declaration: Node, given: GivenParameter | undefined): Value {
    const { node, source } = this.#options;
    const definitions = asNode(fieldOf(node, "definitions"));
    const type = typeOf(declaration, definitions);
    let value = given?.value(type);
    let place: { readonly source: Source; readonly path: Path } = {
      source: given?.source ?? source,
      path: given?.source === undefined ? declaration.path : given.path,
    };
    const standard = fieldOf(declaration, "defaultValue");
    if (value === undefined && standard !== undefined) {
      value = evaluateTree(standard.tree, standard.path, this.#scope("default", noLoops), this.#complain);
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
        this.#world.report(place.source, place.path, {
          ...finding,
          message: `the template parameter '${excerpt(name + where)}' is not valid: ${finding.message}`,
        }),
    });
    return value;
  }

  #checkParameters(): void {
    const { node, given, source } = this.#options;
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
      this.#world.report(one.source ?? source, one.source === undefined ? [] : one.path, {
        code: "InvalidTemplate",
        message: `the parameter '${excerpt(one.name)}' is given, and the template${one.source === undefined ? ` ${source.file}` : ""} declares none of that name`,
        fix: meant === undefined ? "leave it out" : `did you mean ${meant}?`,
      });
    }
  }

  variable(name: string): Value {
    const { outer, node } = this.#options;
    if (outer !== undefined) return outer.deployment.variable(name);
    const key = name.toLowerCase();
    const known = this.#variables.get(key);
    if (known !== undefined) return known;
    const all = asNode(fieldOf(node, "variables"));
    const field = all === undefined ? undefined : (fieldOf(all, name) ?? (all.tree.entries.has(name) ? nullField(all, name) : undefined));
    const loop = this.#variableLoops().get(key);
    if (field === undefined && loop === undefined) {
      const meant = all === undefined ? undefined : closest(name, all.tree.entries.keys());
      return refuse(
        `the template variable '${excerpt(name)}' is not found`,
        meant === undefined ? "define it under variables" : `did you mean ${meant}?`,
      );
    }
    return this.#once(`variable ${key}`, () => {
      const scope = this.#scope("variable", noLoops);
      const value =
        loop === undefined
          ? evaluateTree(field?.tree ?? nullTree, field?.path ?? [], scope, this.#complain)
          : (copied(loop.list, loop.path, scope, this.#complain)[0]?.[1] ?? null);
      this.#variables.set(key, value);
      return value;
    });
  }

  /** Variables that `variables.copy` makes, by name in lower case; each list holds one loop. */
  #variableLoops(): VariableLoops {
    if (this.#loopedVariables !== undefined) return this.#loopedVariables;
    const all = asNode(fieldOf(this.#options.node, "variables"));
    const copy = all === undefined ? undefined : fieldOf(all, "copy");
    const loops = new Map<string, { readonly list: Tree & { readonly kind: "list" }; readonly path: Path }>();
    if (copy?.tree.kind === "list") {
      for (const [index, item] of copy.tree.items.entries()) {
        const name = item.kind === "map" ? textOf(fieldOf({ tree: item, path: [] }, "name")) : undefined;
        if (name !== undefined)
          loops.set(name.toLowerCase(), { list: { ...copy.tree, items: [item] }, path: [...copy.path.slice(0, -1), copy.key, index] });
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
    const list = fieldOf(this.#options.node, "functions");
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
          evaluateTree(value.tree, value.path, { ...this.#scope("function", noLoops), functionArguments: given }, this.#complain),
        ),
    });
  }

  #locationOfGroup(name: string): string {
    const { place } = this.#options;
    const id = `/subscriptions/${place.subscriptionId}/resourceGroups/${name}`.toLowerCase();
    return this.#world.resources.get(id)?.placed?.location ?? place.location;
  }

  // Resources.

  #listInstances(): void {
    const { node } = this.#options;
    const resources = fieldOf(node, "resources");
    if (resources === undefined) return;
    for (const { node: own, symbol } of this.#resourceNodes(resources)) this.#addInstances(own, symbol, undefined);
    if (this.#instances.length > mostResources) {
      this.#complain(resources.path, {
        code: "InvalidTemplate",
        message: `the template has ${this.#instances.length} resources; Azure takes ${mostResources}`,
        source: "Azure docs: templates/best-practices, Template limits",
      });
      this.#instances.length = 0;
    }
    const seen = new Map<string, Instance>();
    for (const instance of this.#instances) {
      if (instance.id === undefined || instance.isExisting || !instance.condition) continue;
      const key = instance.id.toLowerCase();
      const first = seen.get(key);
      seen.set(key, first ?? instance);
      if (first === undefined) continue;
      const { line } = placeOf(this.#options.source, first.node.path);
      this.#complain(instance.node.path, {
        code: "InvalidTemplate",
        message: `the resource ${excerpt(instance.id)} is defined twice in the template, first at line ${line}`,
        fix: "define it once, or give it another name",
      });
    }
  }

  /** A list, or with symbolic names an object (`languageVersion` 2.0). */
  #resourceNodes({ tree, path }: Field): readonly { readonly node: Node; readonly symbol?: string }[] {
    if (tree.kind === "list") {
      return tree.items.flatMap((item, index) => {
        if (item.kind === "map") return [{ node: { tree: item, path: [...path, index] } }];
        this.#complain([...path, index], { code: "InvalidTemplate", message: "a resource is an object" });
        return [];
      });
    }
    if (tree.kind === "map") {
      return fieldsOf({ tree, path }).flatMap((field) => {
        const node = asNode(field);
        return node === undefined ? [] : [{ node, symbol: field.key }];
      });
    }
    this.#complain(path, { code: "InvalidTemplate", message: "resources is an array of resources, or an object with symbolic names" });
    return [];
  }

  #addInstances(node: Node, symbol: string | undefined, parent: Instance | undefined): void {
    // One more than is allowed is enough to know.
    if (this.#instances.length > mostResources) return;
    const base = this.#scope("start", parent?.scope.loops ?? this.#options.outer?.loops);
    const copy = asNode(fieldOf(node, "copy"));
    if (copy === undefined) {
      this.#addInstance(node, base, symbol, parent, undefined);
      return;
    }
    const name = fieldOf(copy, "name");
    const label = name === undefined ? symbol : evaluateTree(name.tree, name.path, base, this.#complain);
    const count = fieldOf(copy, "count");
    const turns = turnsOf(count?.tree, count?.path ?? copy.path, base, this.#complain);
    if (turns instanceof Unknown) {
      this.#notKnown(node, "how many of the resource there are", turns);
      return;
    }
    const loop = typeof label === "string" ? label : "";
    for (let turn = 0; turn < turns; turn++) {
      const loops = new Map(base.loops).set(loop.toLowerCase(), turn).set("", turn);
      this.#addInstance(node, { ...base, loops }, symbol, parent, loop);
    }
  }

  #addInstance(node: Node, scope: Scope, symbol: string | undefined, parent: Instance | undefined, loop: string | undefined): void {
    const type = this.#text(node, "type", scope);
    const name = this.#text(node, "name", scope);
    if (type === undefined || type instanceof Unknown || name === undefined) {
      if (fieldOf(node, "import") === undefined && fieldOf(node, "extension") === undefined) {
        for (const wanted of ["type", "name"]) {
          if (fieldOf(node, wanted) !== undefined) continue;
          this.#complain(node.path, { code: "InvalidTemplate", message: `the resource has no ${wanted}`, fix: `give it a ${wanted}` });
        }
      } else this.#keep(node, textOf(fieldOf(node, "type")) ?? "resource", symbol ?? "", "no Azure resource: an extension makes it");
      return;
    }
    if (fieldOf(node, "import") !== undefined || fieldOf(node, "extension") !== undefined) {
      this.#keep(node, type, symbol ?? String(name), "no Azure resource: an extension makes it");
      return;
    }
    const condition = this.#condition(node, scope);
    const isChild = parent !== undefined && !type.toLowerCase().startsWith(`${parent.type.toLowerCase()}/`);
    const fullType = isChild ? `${parent.type}/${type}` : type;
    const parentName = parent?.name;
    const fullName =
      parent === undefined || parentName instanceof Unknown || name instanceof Unknown
        ? name instanceof Unknown
          ? name
          : (parentName ?? name)
        : isChild
          ? `${parentName}/${name}`
          : name;
    const ownName = parent === undefined ? name : fullName;
    const place = this.#placeOfResource(node, scope);
    const id = ownName instanceof Unknown || place === undefined ? undefined : this.#idOf(node, scope, fullType, ownName, place);
    const instance: Instance = {
      node,
      scope: { ...scope, stage: "body" },
      type: fullType,
      name: ownName,
      id,
      ...(symbol === undefined ? {} : { symbol }),
      ...(loop === undefined ? {} : { loop }),
      ...(parent === undefined ? {} : { parent }),
      place: place ?? this.#options.place,
      isExisting: flagOf(fieldOf(node, "existing")),
      condition: condition && parent?.condition !== false,
      state: "waiting",
    };
    this.#instances.push(instance);
    const children = fieldOf(node, "resources");
    if (children === undefined || isDeployment(fullType)) return;
    for (const child of this.#resourceNodes(children)) this.#addInstances(child.node, child.symbol, instance);
  }

  #condition(node: Node, scope: Scope): boolean {
    const field = fieldOf(node, "condition");
    if (field === undefined) return true;
    const value = evaluateTree(field.tree, field.path, scope, this.#complain);
    if (typeof value === "boolean") return value;
    if (typeof value === "string" && /^(true|false)$/i.test(value)) return value.toLowerCase() === "true";
    if (value instanceof Unknown) {
      this.#notKnown(node, "whether the resource is deployed", value);
      return false;
    }
    this.#complain(field.path, { code: "InvalidTemplate", message: "a condition is true or false" });
    return false;
  }

  /** That a resource is there is known at run time only: what the lab is would be a guess. */
  #notKnown(node: Node, what: string, unknown: Unknown): void {
    if (unknown.isFailure) return;
    this.#complain(node.path, {
      code: "KnownAtRunTime",
      message: `${what} depends on ${unknown.why}, which only Azure knows, at run time`,
      fix: "make it depend on a parameter",
    });
  }

  /** A text property of a resource; `undefined` when it is absent or, which is reported, no text. */
  #text(node: Node, name: string, scope: Scope): string | Unknown | undefined {
    const field = fieldOf(node, name);
    if (field === undefined) return undefined;
    const value = evaluateTree(field.tree, field.path, scope, this.#complain);
    if (typeof value === "string" || value instanceof Unknown) return value;
    if (typeof value === "number") return String(value);
    this.#complain(field.path, { code: "InvalidTemplate", message: `${name} is text` });
    return undefined;
  }

  /** Where a resource goes: with the deployment, or where it says. */
  #placeOfResource(node: Node, scope: Scope): DeploymentPlace | undefined {
    const { place } = this.#options;
    const subscriptionId = this.#text(node, "subscriptionId", scope);
    const resourceGroup = this.#text(node, "resourceGroup", scope);
    if (subscriptionId instanceof Unknown || resourceGroup instanceof Unknown) return undefined;
    if (subscriptionId === undefined && resourceGroup === undefined) return place;
    return {
      ...place,
      kind: resourceGroup === undefined ? "subscription" : "resourceGroup",
      subscriptionId: subscriptionId ?? place.subscriptionId,
      resourceGroup: resourceGroup ?? "",
    };
  }

  #idOf(node: Node, scope: Scope, type: string, name: string, place: DeploymentPlace): string | undefined {
    const on = isDeployment(type) ? undefined : this.#text(node, "scope", scope);
    if (on instanceof Unknown) return undefined;
    const names = name.split("/");
    const target = on === undefined ? undefined : this.#scopeId(on, place);
    const id = target === undefined ? resourceIdAt(scopePrefix(place), type, names) : extensionId(target, type, names);
    if (id === undefined) {
      const segments = type.split("/").length - 1;
      const message = `the resource ${excerpt(name)} of type ${excerpt(type)} has incorrect segment lengths: a name has one segment per segment of its type, here ${segments}`;
      this.#complain(node.path, { code: "InvalidTemplate", message, fix: "write the names of its parents before its own: parent/child" });
    }
    return id;
  }

  /** What an extension resource is on: a whole id, or `type/name` in the deployment's place. */
  #scopeId(scope: string, place: DeploymentPlace): string {
    if (scope.startsWith("/")) return scope === "/" ? "" : scope;
    const symbol = this.#instances.find((instance) => sameName(instance.symbol, scope));
    return symbol?.id ?? relativeId(scope, place) ?? scope;
  }

  #keep(node: Node, kind: string, name: string, why: string): void {
    const { line } = placeOf(this.#options.source, node.path);
    this.#world.keep({ file: this.#options.source.file, line, kind, name, why });
  }

  // Order.

  /** Those that others depend on first. Circles are reported, and left in the order of the template. */
  #ordered(): readonly Instance[] {
    const order: Instance[] = [];
    const state = new Map<Instance, "open" | "done">();
    const reported = new Set<Instance>();
    const needs = new Map(this.#instances.map((instance) => [instance, this.#dependencies(instance)]));
    const visit = (instance: Instance) => {
      // Iterative: a chain may be as long as the template.
      const stack: { readonly of: Instance; readonly rest: Instance[] }[] = [{ of: instance, rest: [...(needs.get(instance) ?? [])] }];
      state.set(instance, "open");
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const next = top.rest.shift();
        if (next === undefined) {
          state.set(top.of, "done");
          order.push(top.of);
          stack.pop();
        } else if (state.get(next) === "open") {
          if (reported.has(next)) continue;
          reported.add(next);
          const circle = stack.slice(stack.findIndex(({ of }) => of === next)).map(({ of }) => shownName(of));
          this.#circular(next, circle);
        } else if (state.get(next) === undefined) {
          state.set(next, "open");
          stack.push({ of: next, rest: [...(needs.get(next) ?? [])] });
        }
      }
    };
    for (const instance of this.#instances) if (state.get(instance) === undefined) visit(instance);
    return order;
  }

  #circular({ node }: Instance, circle: readonly string[]): void {
    this.#complain(node.path, {
      code: "InvalidTemplate",
      message: `circular dependency detected on resource ${excerpt([...circle, circle[0]].join(" -> "))}`,
      source: "Azure docs: troubleshooting/error-invalid-template, Solution 5 - circular dependency detected",
      fix: "take one of the dependencies away, or set the property in a nested deployment afterwards",
    });
  }

  #dependencies(instance: Instance): readonly Instance[] {
    const field = fieldOf(instance.node, "dependsOn");
    const parents = instance.parent === undefined ? [] : [instance.parent];
    if (field === undefined || !instance.condition) return parents;
    const list = evaluateTree(field.tree, field.path, { ...instance.scope, stage: "start" }, this.#complain);
    const targets = isList(list) ? list : list === null ? [] : [list];
    return [
      ...parents,
      ...targets.flatMap((target, index) => {
        if (typeof target !== "string" || target === "") return [];
        const found = this.#named(target);
        if (found.length > 0) return found.filter((other) => other !== instance || this.#isItself(instance, target));
        const near = closest(
          target,
          this.#instances.flatMap(({ symbol, name }) => [symbol ?? name].filter((text) => typeof text === "string")),
        );
        this.#complain(isList(list) && field.tree.kind === "list" ? [...field.path, index] : field.path, {
          code: "InvalidTemplate",
          message: `the resource ${excerpt(target)}, which ${shownName(instance)} depends on, is not defined in the template`,
          fix:
            near === undefined ? "name a resource of the same template; what exists already needs no dependency" : `did you mean ${near}?`,
        });
        return [];
      }),
    ];
  }

  #isItself(instance: Instance, target: string): boolean {
    // A loop's name stands for all of its turns, of which this may be one.
    return instance.loop === undefined || !sameName(instance.loop, target);
  }

  /** All that an id, `type/name`, a name, the name of a loop, or a symbolic name stands for in this template. */
  #named(target: string): readonly Instance[] {
    const symbols = this.#instances.filter(({ symbol }) => sameName(symbol, target));
    if (symbols.length > 0) return symbols;
    const id = target.startsWith("/") ? target : relativeId(target, this.#options.place);
    const lower = id?.toLowerCase();
    const byId = lower === undefined ? [] : this.#instances.filter((instance) => instance.id?.toLowerCase() === lower);
    if (byId.length > 0) return byId;
    const loops = this.#instances.filter(({ loop }) => sameName(loop, target));
    if (loops.length > 0) return loops;
    const names = this.#instances.filter(({ name }) => typeof name === "string" && sameName(name, target));
    if (names.length > 0) return names;
    return this.#instances.filter(({ name }) => typeof name === "string" && sameName(name.slice(name.lastIndexOf("/") + 1), target));
  }

  // Deployment.

  #deploy(instance: Instance): Deployed {
    if (instance.deployed !== undefined) return instance.deployed;
    if (instance.state === "running")
      refuse(`circular dependency detected on resource ${shownName(instance)}: it refers to itself`, "break the circle");
    instance.state = "running";
    try {
      instance.deployed = this.meter.within(() => this.#deployed(instance));
    } finally {
      instance.state = "done";
    }
    return instance.deployed;
  }

  #deployed(instance: Instance): Deployed {
    const { id, type, isExisting, condition } = instance;
    if (!condition || isExisting) return { placed: undefined, whole: () => this.#elsewhere(id ?? shownName(instance)) };
    if (isDeployment(type)) return this.#nested(instance);
    const body = this.#body(instance);
    if (id === undefined) {
      this.#keep(instance.node, type, "", "its name is known at run time only");
      return { placed: undefined, whole: () => wholeOf(instance, body) };
    }
    const { node } = instance;
    const placed: PlacedResource = {
      id,
      type: typeOfId(id),
      name: id.slice(id.lastIndexOf("/") + 1),
      ...textField(body, "location"),
      ...tagsField(body),
      properties: toPlain(body.get("properties") ?? null, (unknown) => unknown) ?? {},
      source: this.#options.source,
      at: (part) => [...node.path, ...inCopies(node.tree, part)],
    };
    const deployed = { placed, whole: () => wholeOf(instance, body) };
    this.#world.resources.delete(id.toLowerCase());
    this.#world.resources.set(id.toLowerCase(), deployed);
    return deployed;
  }

  /** The resource with everything evaluated but what was before. */
  #body({ node, scope }: Instance): ObjectValue {
    const done = new Set(["name", "type", "copy", "condition", "dependson", "resources", "existing", "comments", "metadata", "scope"]);
    const entries = fieldsOf(node).flatMap((field): [string, Value][] =>
      done.has(field.key.toLowerCase()) ? [] : [[field.key, evaluateTree(field.tree, field.path, scope, this.#complain)]],
    );
    return new ObjectValue(new Map(entries));
  }

  reference(target: string, isWhole: boolean): Value {
    const { outer } = this.#options;
    const [found] = this.#named(target);
    if (found !== undefined) return this.#seen(found, isWhole);
    if (outer !== undefined) return outer.deployment.reference(target, isWhole);
    const id = target.startsWith("/") ? target : relativeId(target, this.#options.place);
    const known = id === undefined ? undefined : this.#world.resources.get(id.toLowerCase());
    if (known === undefined) return this.#elsewhere(id ?? target);
    return isWhole ? known.whole() : propertiesOf(known.whole());
  }

  #seen(instance: Instance, isWhole: boolean): Value {
    const whole = this.#deploy(instance).whole();
    return isWhole ? whole : propertiesOf(whole);
  }

  /** A resource that no template here makes: another may have, before. */
  #elsewhere(id: string): Value {
    const known = this.#world.resources.get(id.toLowerCase());
    return known?.whole() ?? new Unknown(`what Azure knows of ${excerpt(id)}, which no template here deploys`);
  }

  // Nested deployments.

  #nested(instance: Instance): Deployed {
    const { node, scope, name } = instance;
    const properties = asNode(fieldOf(node, "properties"));
    const none: Deployed = { placed: undefined, whole: () => new Unknown(`what the deployment ${shownName(instance)} gives`, true) };
    if (properties === undefined) {
      this.#complain(node.path, { code: "InvalidTemplate", message: "the deployment has no properties" });
      return none;
    }
    if (this.#options.depth + 1 > deepest + 10) {
      this.#complain(node.path, {
        code: "InvalidTemplate",
        message: "deployments are nested too deep",
        source: "Azure docs: templates/linked-templates",
      });
      return none;
    }
    const template = this.#templateOf(properties, scope);
    const place = template === undefined ? undefined : this.#placeOfDeployment(instance, template.node);
    if (template === undefined || place === undefined) return none;
    const options = asNode(fieldOf(properties, "expressionEvaluationOptions"));
    const chosen = options === undefined ? undefined : this.#text(options, "scope", scope);
    const isInner = template.isLinked || (typeof chosen === "string" && chosen.toLowerCase() === "inner");
    const child = new TemplateDeployment(this.#world, {
      source: template.source,
      node: template.node,
      name: typeof name === "string" ? name : "nested",
      place,
      given: isInner ? this.#givenTo(properties, scope) : new Map(),
      ...(isInner ? {} : { outer: { deployment: this.#options.outer?.deployment ?? this, loops: scope.loops } }),
      depth: this.#options.depth + 1,
    });
    child.run();
    return { placed: undefined, whole: () => child.whole(instance.type) };
  }

  /** This deployment as a resource. */
  whole(type: string): Value {
    const rest = new Unknown(`what Azure knows of the deployment ${this.#options.name}`);
    const outputs = new ObjectValue(
      new Map(this.outputs().map(({ name, type: of, value }) => [name, ObjectValue.of({ type: of, value })])),
    );
    return ObjectValue.of(
      { type, properties: ObjectValue.of({ outputs, provisioningState: "Succeeded", mode: "Incremental" }, rest) },
      rest,
    );
  }

  #templateOf(properties: Node, scope: Scope): { readonly source: Source; readonly node: Node; readonly isLinked: boolean } | undefined {
    const { source } = this.#options;
    const inline = asNode(fieldOf(properties, "template"));
    if (inline !== undefined) return { source, node: inline, isLinked: false };
    const link = asNode(fieldOf(properties, "templateLink"));
    if (link === undefined) {
      this.#complain(properties.path, { code: "InvalidTemplate", message: "the deployment has neither template nor templateLink" });
      return undefined;
    }
    const [relative, uri] = [this.#text(link, "relativePath", scope), this.#text(link, "uri", scope)];
    if (relative instanceof Unknown || uri instanceof Unknown) {
      this.#notKnown(link, "which template is linked", relative instanceof Unknown ? relative : (uri as Unknown));
      return undefined;
    }
    const candidates = relative !== undefined ? [relative] : uri === undefined ? [] : pathsOfUri(uri);
    for (const path of candidates) {
      const linked = this.#world.linked(path, source);
      if (linked?.root.kind === "map") return { source: linked, node: { tree: linked.root, path: [] }, isLinked: true };
    }
    const what = relative ?? uri ?? "";
    this.#complain(link.path, {
      code: "InvalidContentLink",
      ...(what === "" ? {} : { value: what }),
      message:
        what === ""
          ? "the link names no template"
          : `the linked template ${excerpt(what)} is not here: nothing is fetched from the network`,
      fix:
        candidates.length === 0
          ? "give relativePath"
          : `put it beside ${source.file} as ${candidates.map((path) => excerpt(path)).join(" or ")}`,
    });
    return undefined;
  }

  /** Values of `properties.parameters`, in this deployment's words; evaluated when they are asked for. */
  #givenTo(properties: Node, scope: Scope): GivenParameters {
    const given = new Map<string, GivenParameter>();
    const parameters = fieldOf(properties, "parameters");
    const { source } = this.#options;
    if (parameters?.tree.kind === "scalar" || (parameters?.tree.kind === "map" && parameters.tree.entries.has("copy"))) {
      const value = evaluateTree(parameters.tree, parameters.path, scope, this.#complain);
      for (const [name, one] of value instanceof ObjectValue ? value.entries : []) {
        const own = one instanceof ObjectValue ? (one.get("value") ?? new Unknown(`the secret for ${name}`)) : one;
        given.set(name.toLowerCase(), { name, value: () => own, source, path: parameters.path });
      }
      return given;
    }
    const link = asNode(fieldOf(properties, "parametersLink"));
    if (link !== undefined) {
      this.#complain(link.path, { code: "NotModelled", message: "parametersLink is not read", fix: "give the values under parameters" });
    }
    const node = asNode(parameters);
    for (const field of node === undefined ? [] : fieldsOf(node)) {
      const own = asNode(field);
      const { key: name } = field;
      const value =
        own === undefined ? undefined : (fieldOf(own, "value") ?? (own.tree.entries.has("value") ? nullField(own, "value") : undefined));
      let made: Value | undefined;
      const compute = () => {
        if (own !== undefined && value !== undefined) return evaluateTree(value.tree, value.path, scope, this.#complain);
        if (own !== undefined && fieldOf(own, "reference") !== undefined) return new Unknown(`the Key Vault secret for ${name}`);
        const whole = evaluateTree(field.tree, field.path, scope, this.#complain);
        return whole instanceof ObjectValue ? (whole.get("value") ?? new Unknown(`the secret for ${name}`)) : whole;
      };
      given.set(name.toLowerCase(), {
        name,
        value: () => {
          made ??= compute();
          return made;
        },
        source,
        path: value?.path ?? field.path,
      });
    }
    return given;
  }

  #placeOfDeployment(instance: Instance, template: Node): DeploymentPlace | undefined {
    const place = this.#placeOfResource(instance.node, instance.scope);
    const scope = this.#text(instance.node, "scope", instance.scope);
    if (place === undefined || scope instanceof Unknown) {
      const unknown = [scope, ...["subscriptionId", "resourceGroup"].map((name) => this.#text(instance.node, name, instance.scope))].find(
        (value) => value instanceof Unknown,
      );
      if (unknown !== undefined) this.#notKnown(instance.node, "where the deployment goes", unknown);
      return undefined;
    }
    const location = this.#text(instance.node, "location", instance.scope);
    const located =
      typeof location === "string"
        ? { location }
        : { location: place.kind === "resourceGroup" ? this.#locationOfGroup(place.resourceGroup) : place.location };
    const schema = textOf(fieldOf(template, "$schema"));
    if (scope !== undefined) return { ...placeOfScope(scope, place), ...located };
    const own = kindOfSchema(schema);
    // A template for a subscription in a deployment to a resource group goes to the group's subscription.
    const kind =
      place.kind === "resourceGroup" && fieldOf(instance.node, "resourceGroup") === undefined && own === "subscription" ? own : place.kind;
    return { ...place, kind, ...located };
  }

  // Outputs.

  outputs(): readonly Output[] {
    if (this.#outputs !== undefined) return this.#outputs;
    // An output that asks for its own deployment's outputs finds none.
    this.#outputs = [];
    const all = asNode(fieldOf(this.#options.node, "outputs"));
    const fields = all === undefined ? [] : fieldsOf(all);
    if (fields.length > mostOutputs) {
      this.#complain(all?.path ?? [], {
        code: "InvalidTemplate",
        message: `the template has ${fields.length} outputs; Azure takes ${mostOutputs}`,
      });
      return this.#outputs;
    }
    this.#outputs = fields.flatMap((field) => this.#output(field));
    return this.#outputs;
  }

  #output(field: Field): readonly Output[] {
    const node = asNode(field);
    if (node === undefined) {
      this.#complain(field.path, { code: "InvalidTemplate", message: "an output is an object with type and value" });
      return [];
    }
    const scope = this.#scope("body");
    const condition = fieldOf(node, "condition");
    const isThere = condition === undefined ? true : evaluateTree(condition.tree, condition.path, scope, this.#complain);
    if (isThere === false) return [];
    const type = typeOf(node, asNode(fieldOf(this.#options.node, "definitions"))) ?? "object";
    const copy = asNode(fieldOf(node, "copy"));
    const value = fieldOf(node, "value");
    if (copy !== undefined) {
      const [count, input] = [fieldOf(copy, "count"), fieldOf(copy, "input")];
      const turns = turnsOf(count?.tree, count?.path ?? copy.path, scope, this.#complain);
      if (turns instanceof Unknown || input === undefined)
        return [{ name: field.key, type, value: turns instanceof Unknown ? turns : null }];
      const items = Array.from({ length: turns }, (_, turn) =>
        evaluateTree(input.tree, input.path, { ...scope, loops: new Map(scope.loops).set("", turn) }, this.#complain),
      );
      return [{ name: field.key, type, value: items }];
    }
    if (value === undefined) return [{ name: field.key, type, value: null }];
    return [
      { name: field.key, type, value: isThere instanceof Unknown ? isThere : evaluateTree(value.tree, value.path, scope, this.#complain) },
    ];
  }
}

const nullTree: Tree = { kind: "scalar", value: null, text: "", offset: 0, size: 1 };

function nullField({ path }: Node, key: string): Field {
  return { key, tree: nullTree, path: [...path, key] };
}

function emptyNode({ path }: Node): Node {
  return { tree: { kind: "map", entries: new Map(), offset: 0, size: 1 }, path };
}

function exampleOf(type: string): string {
  if (type === "int") return "3";
  if (type === "bool") return "true";
  return type === "array" ? "'[…]'" : "'{…}'";
}

function sameName(a: string | undefined, b: string): boolean {
  return a !== undefined && a.toLowerCase() === b.toLowerCase();
}

function shownName({ symbol, name, type }: Instance): string {
  return typeof name === "string" ? excerpt(`${type}/${name}`) : (symbol ?? type);
}

function isDeployment(type: string): boolean {
  return type.toLowerCase() === "microsoft.resources/deployments";
}

/** `Microsoft.Network/virtualNetworks/v/subnets/s` in a place; `undefined` when it is not of that form. */
function relativeId(text: string, place: DeploymentPlace): string | undefined {
  const [provider, ...rest] = text.split("/");
  if (provider === undefined || !provider.includes(".") || rest.length < 2 || rest.length % 2 !== 0) return undefined;
  return `${scopePrefix(place)}/providers/${provider}${rest.map((part) => `/${part}`).join("")}`;
}

/** The resource as `reference(…, 'Full')` gives it: what the template says, what Azure names, and the rest unknown. */
function wholeOf({ id, type, name, place }: Instance, body: ObjectValue): Value {
  const rest = new Unknown(`what only Azure knows of ${typeof name === "string" ? `${type}/${name}` : type}`);
  const entries = new Map(body.entries);
  const properties = entries.get("properties");
  const own = properties instanceof ObjectValue ? properties.entries : new Map<string, Value>();
  const made = new Map(own);
  for (const [key, value] of own) made.set(key, withIds(value, `${id ?? ""}/${key}`, id === undefined));
  made.set("provisioningState", "Succeeded");
  if (type.toLowerCase() === "microsoft.containerservice/managedclusters" && !made.has("nodeResourceGroup")) {
    const location = body.get("location");
    if (typeof name === "string" && typeof location === "string")
      made.set("nodeResourceGroup", nodeResourceGroup(place.resourceGroup, name, location));
  }
  entries.set("properties", new ObjectValue(made));
  if (id !== undefined) entries.set("resourceId", id);
  return opened(new ObjectValue(entries), rest);
}

/** Named children in a resource's properties have ids after it. */
function withIds(value: Value, prefix: string, isUnknown: boolean): Value {
  if (!isList(value) || isUnknown) return value;
  return value.map((item) => {
    const name = item instanceof ObjectValue ? item.get("name") : undefined;
    if (!(item instanceof ObjectValue) || typeof name !== "string" || item.get("id") !== undefined) return item;
    return new ObjectValue(new Map([...item.entries, ["id", `${prefix}/${name}`]]));
  });
}

function propertiesOf(whole: Value): Value {
  if (!(whole instanceof ObjectValue)) return whole;
  return whole.get("properties") ?? ObjectValue.of({});
}

/** The type that an id names: of an extension, its own and not that of what it extends. */
function typeOfId(id: string): string {
  const own = id.slice(id.toLowerCase().lastIndexOf("/providers/") + "/providers/".length).split("/");
  if (!id.toLowerCase().includes("/providers/")) return "Microsoft.Resources/resourceGroups";
  return [own[0], ...own.filter((_, index) => index % 2 === 1)].join("/");
}

function textField(body: ObjectValue, name: "location"): { readonly location?: string } {
  const value = body.get(name);
  return typeof value === "string" ? { [name]: value } : {};
}

function tagsField(body: ObjectValue): { readonly tags?: Readonly<Record<string, string>> } {
  const tags = body.get("tags");
  if (!(tags instanceof ObjectValue)) return {};
  return {
    tags: Object.fromEntries([...tags.entries].flatMap(([name, value]) => (typeof value === "string" ? [[name, value] as const] : []))),
  };
}

/** The path in the template of a part of what was made of it: what a `copy` made is at the input of its loop. */
function inCopies(tree: Tree, part: Path): Path {
  const path: (string | number)[] = [];
  let at: Tree | undefined = tree;
  for (let index = 0; index < part.length; index++) {
    const step = part[index] ?? "";
    const next: Tree | undefined =
      at?.kind === "map"
        ? at.entries.get(String(step))?.value
        : at?.kind === "list" && typeof step === "number"
          ? at.items[step]
          : undefined;
    const loop: Loop | undefined = next === undefined && at?.kind === "map" ? loopNamed(at, String(step)) : undefined;
    if (loop !== undefined) {
      path.push("copy", loop.index, "input");
      at = loop.input;
      // The turn.
      index++;
      continue;
    }
    path.push(step);
    at = next;
  }
  return path;
}

type Loop = { readonly index: number; readonly input: Tree };

function loopNamed(tree: Tree & { readonly kind: "map" }, name: string): Loop | undefined {
  const list = tree.entries.get("copy")?.value;
  if (list?.kind !== "list") return undefined;
  const index = list.items.findIndex((item) => item.kind === "map" && sameName(textOf(fieldOf({ tree: item, path: [] }, "name")), name));
  const item = list.items[index];
  const input = item?.kind === "map" ? item.entries.get("input")?.value : undefined;
  return input === undefined ? undefined : { index, input };
}

const templateBase = "https://drydock.invalid/template/";

/** A template's own address, with which it may name others that lie beside it. */
function templateUri({ file }: Source): string {
  return templateBase + encodeURIComponent(file.slice(file.lastIndexOf("/") + 1));
}

/** Where a template that is linked by address may lie beside this one: under its last segments, the longest first. */
function pathsOfUri(uri: string): readonly string[] {
  const [address = ""] = uri.split(/[?#]/, 1);
  if (address.startsWith(templateBase)) return [address.slice(templateBase.length)];
  const segments = address
    .replace(/^[a-z]+:\/\/[^/]*\//i, "")
    .split("/")
    .filter((segment) => segment !== "" && segment !== "..");
  return [3, 2, 1].filter((count) => count <= segments.length).map((count) => segments.slice(-count).join("/"));
}

export function kindOfSchema(schema: string | undefined): DeploymentPlace["kind"] {
  if (schema === undefined) return "resourceGroup";
  if (/subscriptionDeploymentTemplate/i.test(schema)) return "subscription";
  if (/managementGroupDeploymentTemplate/i.test(schema)) return "managementGroup";
  return /tenantDeploymentTemplate/i.test(schema) ? "tenant" : "resourceGroup";
}

/** `/subscriptions/…`, `/subscriptions/…/resourceGroups/…`, `Microsoft.Management/managementGroups/…`, or `/`. */
function placeOfScope(scope: string, place: DeploymentPlace): DeploymentPlace {
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
