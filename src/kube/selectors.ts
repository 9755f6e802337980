/** Label selectors (k8s, apimachinery/pkg/apis/meta/v1/helpers.go, pkg/labels/selector.go). */

import type { Field } from "./field.ts";
import { labelValue, qualifiedName } from "./names.ts";
import type { LabelSelector, Labels } from "./objects.ts";

/** Does the selector pick an object with these labels? An empty selector picks everything. */
export function selects(selector: LabelSelector, labels: Labels | undefined): boolean {
  if (!matchesLabels(selector.matchLabels ?? {}, labels)) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labelOf(labels, key);
    switch (operator) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
      default:
        return operator satisfies never;
    }
  });
}

/** As kubectl prints selectors: `app=web,tier in (a,b),!legacy`. Empty for one that picks everything. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    switch (operator) {
      case "In":
        return `${key} in (${values.join(",")})`;
      case "NotIn":
        return `${key} notin (${values.join(",")})`;
      case "Exists":
        return key;
      case "DoesNotExist":
        return `!${key}`;
      default:
        return operator satisfies never;
    }
  });
  return [...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`), ...expressions].join(",");
}

/** Does an object with these labels have all of the wanted ones? For plain selectors, such as a Service's. */
export function matchesLabels(wanted: Labels, labels: Labels | undefined): boolean {
  for (const key in wanted) if (Object.hasOwn(wanted, key) && labelOf(labels, key) !== wanted[key]) return false;
  return true;
}

/** Own ones only: `constructor` is a label key like any other. */
function labelOf(labels: Labels | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** A mapping of label keys to label values. */
export function checkLabels(labels: Field): Labels {
  const valid: [string, string][] = [];
  for (const [key, field] of labels.entries()) {
    const problem = qualifiedName(key);
    if (problem !== undefined) field.report("FieldValueInvalid", `label key ${JSON.stringify(key)}: ${problem}`);
    const value = field.matches(labelValue);
    if (value === undefined && !field.isPresent) valid.push([key, ""]);
    else if (value !== undefined) valid.push([key, value]);
  }
  return Object.fromEntries(valid);
}

const operators = ["In", "NotIn", "Exists", "DoesNotExist"] as const;

/** The selector, as far as it is valid. */
export function checkSelector(selector: Field): LabelSelector {
  selector.known(["matchLabels", "matchExpressions"]);
  const matchLabels = checkLabels(selector.get("matchLabels"));
  const matchExpressions = selector
    .get("matchExpressions")
    .items()
    .flatMap((expression) => {
      expression.known(["key", "operator", "values"]);
      const key = expression.get("key").matches(qualifiedName);
      expression.get("key").require();
      const operator = operatorOf(expression.get("operator"));
      expression.get("operator").require();
      const values = expression
        .get("values")
        .items()
        .flatMap((value) => value.matches(labelValue) ?? []);
      const takesValues = operator === "In" || operator === "NotIn";
      if (operator !== undefined && takesValues && values.length === 0) {
        expression.get("values").report("FieldValueRequired", "must be specified when `operator` is 'In' or 'NotIn'");
      }
      if (operator !== undefined && !takesValues && values.length > 0) {
        expression.get("values").report("FieldValueForbidden", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
      return key === undefined || operator === undefined ? [] : [{ key, operator, values }];
    });
  return { matchLabels, matchExpressions };
}

function operatorOf(field: Field): (typeof operators)[number] | undefined {
  const text = field.text();
  const operator = operators.find((candidate) => candidate === text);
  if (text !== undefined && operator === undefined)
    field.report("FieldValueInvalid", "not a valid selector operator", { known: operators });
  return operator;
}
