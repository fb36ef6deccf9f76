import { registerHooks } from "node:module";

const own = new URL(".", import.meta.url).href;

/** What our modules are written in, by the end of their names: as they stand, or compiled. */
const FORMATS: Readonly<Record<string, string>> = { ".ts": "module-typescript", ".js": "module" };

/**
 * Our modules find each other by their relative names and nothing else. Node would look for the real path, the package and
 * the kind of each of some 300: a tenth of what a command takes that starts, sees nothing to do and ends.
 */
registerHooks({
  resolve(specifier, context, next) {
    const format = FORMATS[specifier.slice(-3)];
    if (!specifier.startsWith(".") || format === undefined || context.parentURL?.startsWith(own) !== true)
      return next(specifier, context);
    return { url: new URL(specifier, context.parentURL).href, format, shortCircuit: true };
  },
});
