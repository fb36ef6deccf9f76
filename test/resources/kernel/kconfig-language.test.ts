import { describe, expect, it } from "vitest";
import { readKernelSymbols } from "../../../src/documents/kconfig.ts";
import { readKconfig, whyNot } from "../../../src/resources/kernel/kconfig-language.ts";

/** Why a symbol is not set, by Kconfig files and a configuration. */
const why = (symbol: string, files: Readonly<Record<string, string>>, config = ""): string => {
  const facts = readKconfig((path) => files[path], { SRCARCH: "x86" });
  return whyNot(symbol, facts.get(symbol), readKernelSymbols([config]));
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
    expect(why("A", files, "CONFIG_A=y\nCONFIG_B=y")).toBe("it is selected by B");
    expect(why("D", files)).toBe("no configuration can set it");
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
