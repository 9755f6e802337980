import type { Command } from "commander";
import { nearest } from "../../documents/nearest.ts";
import { clusterOption, command, labOption } from "../command.ts";
import { connect } from "../connect.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { Progress } from "../progress.ts";
import { statusText } from "./status.ts";

type Options = { readonly lab?: string; readonly cluster?: string };

const poolType = "microsoft.containerservice/managedclusters/agentpools";

export function scaleCommand(context: Context): Command {
  const made = command("scale", "set the number of nodes of a pool", [
    { does: "the only pool of that name", type: "drydock scale np1 5" },
    { does: "of one of several clusters", type: "drydock scale np1 5 --cluster shop-azure" },
    { does: "the same in one word", type: "drydock scale shop-azure/np1 5" },
  ]);
  return made
    .argument("<pool>", "name of the node pool, or CLUSTER/POOL")
    .argument("<count>", "nodes that it shall have", parseCount)
    .addOption(labOption())
    .addOption(clusterOption())
    .action(async (written: string, count: number) => {
      const options = made.opts<Options>();
      const live = await connect(context, options.lab);
      const view = await live.view();
      const slash = written.indexOf("/");
      const cluster = slash < 0 ? options.cluster : written.slice(0, slash);
      const pool = written.slice(slash + 1);
      const pools = view.resources.list(poolType).flatMap((resource) => {
        if (!("id" in resource)) return [];
        const parts = resource.id.split("/");
        return [{ cluster: parts.at(-3) ?? "", name: resource.name }];
      });
      const named = pools.filter((one) => one.name === pool && (cluster === undefined || one.cluster === cluster));
      const [one, another] = named;
      const known = pools.map((each) => `${each.cluster}/${each.name}`);
      if (one === undefined) {
        throw new Failure("unknown", `there is no pool ${written}`, {
          details: nearest(pool, known).map((name) => `did you mean: ${name}`),
          fix: `its pools are ${known.join(", ")}`,
        });
      }
      if (another !== undefined) {
        throw new Failure("unknown", `several clusters have a pool ${pool}`, {
          fix: `say which one: ${named.map((each) => `${each.cluster}/${each.name}`).join(" or ")}`,
        });
      }
      const progress = new Progress(context);
      try {
        await live.scale(one.name, count, one.cluster, (text) => progress.update(text));
      } finally {
        progress.clear();
      }
      context.stdout.write(statusText(await live.status(), context.style));
    });
}

function parseCount(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new Failure("usage", `${text} is no count of nodes`, { fix: "give a whole number from 0 to 5000" });
  return Number(text);
}
