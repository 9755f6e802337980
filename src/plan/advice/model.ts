/**
 * What advice says: for one cluster, what speaks for each network option, with what decided it. Plain data, and the public form of
 * `drydock advise -o json` (docs/advise.md): properties are added, never renamed.
 */

import type { OptionName, OptionPlan } from "../model.ts";

/** Of this form of the data. */
export const adviceVersion = "drydock.advice/1";

/** What a design, or whoever answered the questions, says on a matter, and where: `pool shop/np1: osType Windows`, `answers.yaml: virtualNodes`. */
export type Fact<V> = { readonly value: V; readonly source: string };

/** What a criterion says of an option. Only `excludes` is a matter of can or cannot. */
export type Verdict = {
  readonly says: "excludes" | "for";
  readonly because: string;
  /** The document that says so. */
  readonly source: string;
};

export type Criterion = {
  readonly id: string;
  /** "network policies" */
  readonly matter: string;
  /** What was found: "wanted: engine azure"; absent when nobody says. */
  readonly found?: { readonly words: string; readonly source: string };
  /** How to make it known, while it is not. */
  readonly ask?: string;
  /** Options that are not among them: it is the same for them. */
  readonly verdicts: Readonly<Partial<Record<OptionName, Verdict>>>;
};

/** One of the lesson's twelve sentences, with what decides whether it holds here. */
export type Sentence = {
  readonly option: "kubenet" | "nodeSubnet";
  readonly text: string;
  readonly criterion: string;
  readonly holds: boolean | "unknown";
};

export type RankedOption = {
  readonly option: OptionName;
  readonly name: string;
  /** The criteria that exclude it, by id. */
  readonly excludedBy: readonly string[];
  /** The criteria that speak for it, by id. */
  readonly supportedBy: readonly string[];
  /** From 1; absent when it is excluded. */
  readonly rank?: number;
  /** What it takes: the plan's figures. */
  readonly figures: OptionPlan;
  /** What cannot be changed once it is chosen, and what can. */
  readonly later: readonly string[];
};

/** Wishes of which no more than all but one can be had. */
export type Contradiction = {
  /** Ids of criteria; `chosen` is the option of the design itself. */
  readonly between: readonly string[];
  /** "virtual nodes are wanted, but kubenet is chosen: …" */
  readonly message: string;
};

export type ClusterAdvice = {
  readonly cluster: string;
  /** What the design has. */
  readonly chosen?: OptionName;
  /** The first of {@link ranking}; absent when every option is excluded. */
  readonly recommended?: OptionName;
  /** Why, in a sentence. */
  readonly because: string;
  readonly criteria: readonly Criterion[];
  /** Of the rules `lesson` only. */
  readonly sentences?: readonly Sentence[];
  /** Options that are not excluded first, best first. */
  readonly ranking: readonly RankedOption[];
  readonly contradictions: readonly Contradiction[];
  /** Beside the option: the data plane, the engine of network policies. */
  readonly hints: readonly { readonly text: string; readonly source: string }[];
};

export type Advice = {
  readonly version: typeof adviceVersion;
  readonly rules: "current" | "lesson";
  /** The day whose limits count. */
  readonly asOf: string;
  /** How the ranking comes about. */
  readonly method: readonly string[];
  readonly clusters: readonly ClusterAdvice[];
  /** Dates that concern an option or an engine that is in question here. */
  readonly dates: readonly { readonly date: string; readonly what: string; readonly source: string }[];
};
