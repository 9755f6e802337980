import { Failure } from "../failure.ts";
import type { Topic } from "../show-topic.ts";
import { rows } from "./rows.ts";

export const outputs: Topic = {
  name: "outputs",
  summary: "what a deployment template gives, as far as it is known before Azure has deployed it",
  examples: [
    { does: "of a template with its parameters", type: "drydock show outputs azuredeploy.json --parameters azuredeploy.parameters.json" },
  ],
  show: ({ outputs: list }) => {
    if (list === undefined) throw new Failure("usage", "which template?", { fix: "name its file: a running lab has resources only" });
    return rows(
      list,
      {
        NAME: ({ name }) => name,
        TYPE: ({ type }) => type,
        VALUE: ({ value }) => (value === null ? "known at run time" : typeof value === "string" ? value : JSON.stringify(value)),
      },
      "no template among the documents has outputs",
    );
  },
};
