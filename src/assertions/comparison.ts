/** Bounds for a figure, as a file of assertions writes them: `>= 20`. */

export type Comparison = { readonly operator: ">=" | "<=" | "=" | ">" | "<"; readonly bound: number };

/** `undefined` when it is none. */
export function parseComparison(text: string): Comparison | undefined {
  const match = /^\s*(>=|<=|=|>|<)\s*(-?\d{1,15})\s*$/.exec(text);
  const operator = operators.find((one) => one === match?.[1]);
  return operator === undefined ? undefined : { operator, bound: Number(match?.[2]) };
}

const operators = [">=", "<=", "=", ">", "<"] as const;

export function compares(figure: number, { operator, bound }: Comparison): boolean {
  switch (operator) {
    case ">=":
      return figure >= bound;
    case "<=":
      return figure <= bound;
    case "=":
      return figure === bound;
    case ">":
      return figure > bound;
    case "<":
      return figure < bound;
    default:
      throw new Error(`unknown operator ${String(operator satisfies never)}`);
  }
}
