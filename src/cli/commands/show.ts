import type { Command } from "commander";
import { clusterOption, command, fileOption, labOption, namespaceOption, type PlaceOptions } from "../command.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import type { Topic } from "../show-topic.ts";
import { openSource, type SourceOptions, splitFiles } from "../source.ts";
import { topics } from "../topics/index.ts";

type Options = OutputOptions & SourceOptions & PlaceOptions & { readonly effective?: boolean };

export function showCommand(context: Context): Command {
  const made = command("show", "show what is in a running lab, or would be in that of a FILE", [
    { does: "who has which address", type: "drydock show addresses" },
    { does: "what Azure routes for a VM's packets", type: "drydock show routes vm/db --effective" },
    { does: "the same without a running lab", type: "drydock show routes vm/db --effective examples/two-options/lab.yaml" },
  ]);
  for (const topic of topics) made.addCommand(topicCommand(context, topic));
  return made;
}

function topicCommand(context: Context, topic: Topic): Command {
  const made = command(topic.name, topic.summary, topic.examples).aliases([...(topic.aliases ?? [])]);
  if (topic.argument !== undefined) made.argument(topic.argument.usage, topic.argument.meaning);
  if (topic.needsLive !== true) made.argument("[file...]", "work on these documents instead of a running lab").addOption(fileOption());
  if (topic.hasEffective === true) made.option("--effective", "Azure's effective routes of the host's network interface");
  return made
    .addOption(labOption())
    .addOption(clusterOption())
    .addOption(namespaceOption())
    .addOption(outputOption())
    .action(async () => {
      const options = made.opts<Options>();
      const { words, files } = splitFiles(context, made.args);
      const [argument, surplus] = words;
      if (surplus !== undefined || (argument !== undefined && topic.argument === undefined)) {
        throw new Failure("usage", `${surplus ?? argument} is one word too many`, {
          fix: `'drydock show ${topic.name} --help' shows how it is used`,
        });
      }
      const source = await openSource(context, options, topic.needsLive === true ? [] : files);
      const shown = await topic.show({ ...source, ...options, ...(argument === undefined ? {} : { argument }) });
      print(context, options.output, shown.data, shown.text);
    });
}
