/** Before every test file: CI says the same thing about the same code, so that its cases by chance are always the same; a person's are new each time. */

import fc from "fast-check";

if (process.env.CI) fc.configureGlobal({ seed: 1 });
