import { describe, expect, it } from "vitest";
import { readKernelSymbols } from "../../../src/documents/kconfig.ts";
import { readKconfig } from "../../../src/resources/kernel/kconfig-language.ts";
import { whyNot } from "../../../src/resources/kernel/kconfig-reason.ts";

/** Why a symbol has not the value that is wanted, by Kconfig files and a configuration. */
const why = (symbol: string, files: Readonly<Record<string, string>>, config = "", wanted = "y"): string => {
  const facts = readKconfig((path) => files[path], { SRCARCH: "x86" });
  return whyNot(symbol, wanted, facts.get(symbol), readKernelSymbols([config]));
};
const one = (text: string) => ({ Kconfig: text });

describe("the reason why a symbol does not hold", () => {
  it("is the dependency that is not fulfilled, and only that one", () => {
    const files = one('config A\n\tbool "a"\n\tdepends on B && C\n\tdepends on D\n');
    expect(why("A", files, "CONFIG_B=y\nCONFIG_D=m")).toBe("it depends on C, which is n");
    expect(why("A", files, "CONFIG_C=y")).toBe("it depends on B, which is n, and on D, which is n");
  });

  it("is looked for through menus, conditions, choices and the files of the architecture", () => {
    const files = {
      Kconfig:
        'menu "net"\n\tdepends on NET\nif EXPERT\nsource "arch/$(SRCARCH)/Kconfig"\nendif\nendmenu\nconfig OUTSIDE\n\tbool "o"\n',
      "arch/x86/Kconfig": 'choice\n\tprompt "which"\n\tdepends on ONE\nconfig A\n\tbool "a"\nendchoice\n',
    };
    expect(why("A", files, "CONFIG_EXPERT=y")).toBe("it depends on NET, which is n, and on ONE, which is n");
    expect(why("OUTSIDE", files)).toBe("");
  });

  it("is told with all its symbols where one of several would do", () => {
    const files = one('config A\n\tbool "a"\n\tdepends on (B || C=y) && !D\n');
    expect(why("A", files, "CONFIG_D=y")).toBe("it depends on (B || C=y) (B is n, C is n), and on !D (D is y)");
    expect(why("A", files, "CONFIG_B=m")).toBe("");
  });

  it("is taken from the definition that misses least, with lines that go on and without help texts", () => {
    const files = one(
      'config A\n\tbool "a"\n\tdepends on B && \\\n\t\tC\n\thelp\n\t  depends on NOTHING\n\n\t  config NONE\n\nconfig A\n\tbool "a"\n\tdepends on D # why\n',
    );
    expect(why("A", files)).toBe("it depends on D, which is n");
    expect(why("NONE", files)).toBe("this kernel has no such symbol");
  });

  it("is what selects it, where no configuration can set it", () => {
    const files = one(
      'config A\n\tbool\nconfig B\n\tbool "b"\n\tselect A if C\nconfig C\n\tbool "c"\nconfig D\n\tbool\n',
    );
    expect(why("A", files)).toBe("only what selects it can set it: B");
    expect(why("A", files, "CONFIG_A=y\nCONFIG_B=y", "n")).toBe("it is selected by B");
    expect(why("D", files)).toBe("no configuration can set it");
  });

  it("is what shows its prompt, where the configuration is not asked otherwise", () => {
    const files = one(
      'config A\n\tbool "Prompt of \\"A\\"" if EXPERT && B\n\tdefault y\nmenu "m"\n\tvisible if SHOWN\nconfig C\n\tint\n\tprompt "c"\nendmenu\n',
    );
    expect(why("A", files, "CONFIG_A=y", "n")).toBe("it can only be set if EXPERT, which is n, and if B, which is n");
    expect(why("A", files, "CONFIG_A=y\nCONFIG_EXPERT=y\nCONFIG_B=y", "n")).toBe("");
    expect(why("C", files, "CONFIG_C=5", "7")).toBe("it can only be set if SHOWN, which is n");
  });

  it("is the other one of a choice that was set", () => {
    const files = one(
      'choice\n\tprompt "which"\nconfig A\n\tbool "a"\nif X\nconfig B\n\tbool "b"\nendif\nendchoice\nconfig C\n\tbool "c"\n',
    );
    expect(why("A", files, "CONFIG_X=y\nCONFIG_B=y\nCONFIG_C=y")).toBe("one of a choice is set, and that is B");
    expect(why("A", files, "CONFIG_C=y")).toBe("");
  });

  it("is that what it needs is only a module, that it is none itself, or that there are none", () => {
    const files = one('config A\n\ttristate "a"\n\tdepends on B\nconfig C\n\tbool "c"\n\tdepends on B\n');
    expect(why("A", files, "CONFIG_A=m\nCONFIG_B=m")).toBe("it depends on B, which is m");
    expect(why("A", files, "CONFIG_B=m", "m")).toBe("it depends on MODULES, which is n");
    expect(why("C", files, "CONFIG_B=m")).toBe("");
    const test = one('config A\n\ttristate "a"\n\tdepends on m\n');
    expect(why("A", test, "CONFIG_A=m")).toBe("it depends on m, so that it can only be a module");
    expect(why("C", files, "CONFIG_B=y\nCONFIG_C=y", "m")).toBe("it is no module: y and n are its values");
  });

  it("is the range that a number is outside of", () => {
    const files = one('config A\n\tint "a"\n\trange 2 B\nconfig C\n\tint "c"\n\trange 1 5 if D\n');
    expect(why("A", files, "CONFIG_A=2\nCONFIG_B=64", "100")).toBe("it is to be from 2 to 64");
    expect(why("A", files, "CONFIG_A=2\nCONFIG_B=64", "3")).toBe("");
    expect(why("C", files, "CONFIG_C=1", "100")).toBe("");
  });

  it("is left out where only Kconfig itself can tell, and a number is compared as one", () => {
    const files = one(
      'config A\n\tbool "a"\n\tdepends on $(cc-option,-mfoo)\nconfig B\n\tbool "b"\n\tdepends on V >= 90 && V < 200\n',
    );
    expect(why("A", files)).toBe("");
    expect(why("B", files, "CONFIG_V=120")).toBe("");
    expect(why("B", files, "CONFIG_V=1000")).toBe("it depends on V < 200 (V is 1000)");
  });
});
