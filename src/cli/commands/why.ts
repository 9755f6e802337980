import type { Command } from "commander";
import { type Explanation, explain } from "../../why/index.ts";
import { command, fileOption, labOption } from "../command.ts";
import type { Context } from "../context.ts";
import { addJourney, findJourney, type JourneyOptions } from "../journey.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { openSource, type SourceOptions } from "../source.ts";
import { renderWhy } from "../why-text.ts";

type Options = OutputOptions & SourceOptions & JourneyOptions;

export function whyCommand(context: Context): Command {
  const made = command("why", "say all that keeps a packet from arriving, and what to change, proved by tracing it with the changes", [
    {
      does: "everything in the way, not only the first thing",
      type: "drydock why vm/stranger vm/db:5432 examples/security-groups/lab.yaml",
    },
    { does: "where the two directions of a flow part", type: "drydock why vm/app vm/shared:443 examples/asymmetric-firewall/lab.yaml" },
    { does: "the policies that are lacking, as YAML", type: "drydock why deploy/web vm/db -o json | jq '.obstacles[].change.document'" },
  ]);
  return addJourney(made)
    .argument("[file...]", "work on these documents instead of a running lab")
    .addOption(fileOption())
    .addOption(labOption())
    .addOption(outputOption())
    .addHelpText("after", "\nNothing is changed. Exit status 0: it arrives as it is; 1: it does not.\n")
    .action(async (from: string, to: string, files: readonly string[]) => {
      const options = made.opts<Options>();
      const { view, live } = await openSource(context, options, files);
      const { sender, target, packet } = findJourney(view, from, to, options);
      const explanation = explain(view, { from: sender.host, packet }, { measured: live !== undefined });
      const asked = { from: sender.label, to: target.label };
      print(context, options.output, { ...asked, packet, ...dataOf(explanation) }, (style) =>
        renderWhy(asked, explanation, { style, owner: (address) => view.owners.get(address)?.owner }),
      );
      if (!explanation.arrives) context.exitStatus = 1;
    });
}

function dataOf({ arrives, paths, allowedBy, obstacles, proof }: Explanation) {
  return {
    arrives,
    outcome: paths.find(({ outcome }) => outcome !== "delivered")?.outcome ?? "delivered",
    ...(arrives ? { allowedBy } : {}),
    obstacles: obstacles.map((lifted) => {
      if ("nothing" in lifted) return lifted;
      const { writes: _, ...change } = lifted.change;
      return { obstacle: lifted.obstacle, change };
    }),
    proof: { arrives: proof.arrives, paths: proof.paths },
  };
}
