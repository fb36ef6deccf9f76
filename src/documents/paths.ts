/** Why a text cannot be a path, or undefined where it can. Pure text: nothing is looked up. */

/** An absolute path on the host, or inside a root. */
export function absolutePathFault(path: string): string | undefined {
  if (!path.startsWith("/")) return "it is not absolute";
  return path === "/" ? "it is the top itself" : componentFault(path);
}

/** An absolute path, or one below some base directory. */
export function hostPathFault(path: string): string | undefined {
  return path.startsWith("/") ? absolutePathFault(path) : relativePathFault(path);
}

/** A path inside a tree: no leading slash, no `..`, no empty component. */
export function relativePathFault(path: string): string | undefined {
  if (path.startsWith("/")) return "it is absolute";
  return componentFault(`/${path}`);
}

function componentFault(path: string): string | undefined {
  const components = path.slice(1).split("/");
  if (components.includes("..")) return "it leads out by `..`";
  if (components.some((component) => component === "." || component === ""))
    return "it holds an empty or `.` component";
  if (/[\u0000-\u001f\u007f]/.test(path)) return "it holds a control character";
  if (new TextEncoder().encode(path).length > 4096) return "it is longer than 4096 bytes";
  return undefined;
}
