import { RootloomError } from "../../core/error.ts";
import type { KernelResource } from "../../core/resource.ts";
import type { ApplyContext } from "../types.ts";
import { answeredConfig, shortConfig, writeText } from "./configure.ts";
import { kernelInputs } from "./inputs.ts";
import { configureInside } from "./make.ts";
import { whyForbidden } from "./observe.ts";
import { provideKernelSource } from "./source.ts";
import { closeWorkshop, openWorkshop } from "./workshop.ts";

/** What Kconfig writes above a whole answer. */
const WHOLE = /^#\n# Automatically generated file; DO NOT EDIT\.\n/;

/** What becomes of a configuration with a kernel's source and compiler; in the form in which it was written. */
export async function carryConfig(resource: KernelResource, text: string, context: ApplyContext): Promise<string> {
  const forbidden = whyForbidden(resource, context);
  if (forbidden !== undefined)
    throw new RootloomError(forbidden.message, { hint: forbidden.hint, condition: "Refused" });
  const { files } = context.host;
  // A tree of its own: that of the kernel itself keeps what was compiled.
  const aside = { ...resource, name: `${resource.name}@config`, modulesOf: undefined, initramfs: undefined };
  const known = await kernelInputs(aside, context);
  const workshop = await openWorkshop(aside, known, await provideKernelSource(resource, context), context);
  writeText(text, workshop, files);
  const log = { line: (line: string) => line, path: "none" };
  await configureInside(resource.name, workshop, log, context);
  closeWorkshop(workshop, context);
  return WHOLE.test(text) ? answeredConfig(workshop, files) : shortConfig(workshop, files);
}
