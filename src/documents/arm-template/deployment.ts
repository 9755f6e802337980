/**
 * A deployment of a template: what Resource Manager makes of it, resource by resource, in the order in which it would deploy them.
 *
 * Names, types, conditions and loops come first, for all resources; then each resource's body, when its turn comes or when another refers to it.
 * A nested deployment is a deployment in turn, and its outputs are there for those after it.
 */

import type { PlacedResource } from "../azure/placed.ts";
import { treatmentOf } from "../azure/treatments.ts";
import { closest } from "../nearest.ts";
import { excerpt, type Finding, type Kept, type Path } from "../problem.ts";
import { placeOf, type Source } from "../tree.ts";
import { contextFunctions, type Deployment as DeploymentContext, listFunction } from "./context-functions.ts";
import { inCopies } from "./copied-path.ts";
import type { ContextFunction, Host, Meter, Scope, Stage, UserFunction } from "./evaluate.ts";
import { asNode, type Field, fieldOf, fieldsOf, flagOf, type Node, nullField, textOf } from "./fields.ts";
import { type DeploymentPlace, extensionId, kindOfSchema, placeOfScope, relativeId, resourceIdAt, scopePrefix } from "./ids.ts";
import { pathsOfUri, templateUri } from "./links.ts";
import { TemplateNames } from "./names.ts";
import type { GivenParameter, GivenParameters } from "./parameters.ts";
import { propertiesOf, tagsField, textField, typeOfId, wholeOf } from "./resource-value.ts";
import { attempt, type Complain, evaluateTree, turnsOf } from "./tree-value.ts";
import { typeOf } from "./types.ts";
import { isList, ObjectValue, refuse, toPlain, Unknown, type Value } from "./value.ts";

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
const noLoops: ReadonlyMap<string, number> = new Map();

export class TemplateDeployment implements Host {
  readonly #world: World;
  readonly #options: DeploymentOptions;
  readonly #complain: Complain;
  readonly #functions: ReturnType<typeof contextFunctions>;
  readonly #names: TemplateNames;
  readonly #instances: Instance[] = [];
  /** Of loops and their symbols in lower case: one that turns no time has no instances, and may be depended on. */
  readonly #loopNames = new Set<string>();
  #outputs: readonly Output[] | undefined;

  constructor(world: World, options: DeploymentOptions) {
    this.#world = world;
    this.#options = options;
    this.#complain = (path, finding) => world.report(options.source, path, finding);
    this.#names = new TemplateNames(options, this, world.report);
    this.#functions = contextFunctions(this.#context());
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
    return outer === undefined ? this.#names.userFunction(namespace, name) : outer.deployment.userFunction(namespace, name);
  }

  /** Deploys everything. Whatever is wrong is reported; the rest goes on. */
  run(): void {
    if (this.#options.outer === undefined) this.#names.evaluateAll();
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
      parameter: (parameter) => this.#names.parameter(parameter),
      variable: (variable) => this.#names.variable(variable),
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
    // A nested template of outer scope is a property of a resource: what is known at run time comes early enough for it.
    const stage = this.#options.outer === undefined ? "start" : "body";
    const base = this.#scope(stage, parent?.scope.loops ?? this.#options.outer?.loops);
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
    for (const known of [loop, symbol ?? ""]) this.#loopNames.add(known.toLowerCase());
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

  /** That a resource is there is known at run time only: what the lab is would be a guess, unless the resource decides nothing. */
  #notKnown(node: Node, what: string, unknown: Unknown): void {
    if (unknown.isFailure) return;
    const message = `${what} depends on ${unknown.why}, which only Azure knows, at run time`;
    const type = textOf(fieldOf(node, "type"));
    if (type !== undefined && treatmentOf(type).kind === "kept") this.#keep(node, type, textOf(fieldOf(node, "name")) ?? "", message);
    else this.#complain(node.path, { code: "KnownAtRunTime", message, fix: "make it depend on a parameter" });
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
        if (this.#loopNames.has(target.toLowerCase())) return [];
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
      if (instance.name instanceof Unknown) this.#notKnown(instance.node, "the name of the resource", instance.name);
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
      const value = own === undefined ? undefined : (fieldOf(own, "value") ?? nullField(own, "value"));
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

function sameName(a: string | undefined, b: string): boolean {
  return a !== undefined && a.toLowerCase() === b.toLowerCase();
}

function shownName({ symbol, name, type }: Instance): string {
  return typeof name === "string" ? excerpt(`${type}/${name}`) : (symbol ?? type);
}

function isDeployment(type: string): boolean {
  return type.toLowerCase() === "microsoft.resources/deployments";
}
