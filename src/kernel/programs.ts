/** Programs of the machine. */

import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Ordinary users often lack the sbin folders, where Debian puts `ip`, `nft` and `tcpdump`. */
export function searchPath(): readonly string[] {
  return [...(process.env.PATH ?? "").split(":").filter((folder) => folder !== ""), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
}

/** Where an executable file of this name is. */
export function findProgram(name: string): string | undefined {
  return searchPath()
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch (error) {
        if (error instanceof Error) return false;
        throw error;
      }
    });
}
