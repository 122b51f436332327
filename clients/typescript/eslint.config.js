import eslint from "@eslint/js";
import jsdoc from "eslint-plugin-jsdoc";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["dist", ".build", "src/gen"] },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } },
    rules: {
      // A number in a message is a number.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    // Where the package's exports are declared.
    files: [
      "client",
      "consume-options",
      "consume",
      "cursor",
      "delivery",
      "download",
      "error",
      "event",
      "file-cursor",
      "hooks",
      "options",
      "signature",
      "subscribe-options",
    ].map((name) => `src/${name}.ts`),
    plugins: { jsdoc },
    rules: {
      // Whatever is exported says what it is.
      "jsdoc/require-jsdoc": [
        "error",
        {
          publicOnly: true,
          require: { ClassDeclaration: true, FunctionDeclaration: true, MethodDefinition: true },
          contexts: ["TSInterfaceDeclaration", "TSTypeAliasDeclaration", "TSPropertySignature", "TSMethodSignature"],
          checkConstructors: false,
        },
      ],
    },
  },
  {
    files: ["test/**/*.ts", "bench/**/*.ts"],
    rules: {
      // A script of frames need not wait for anything.
      "@typescript-eslint/require-await": "off",
      // node:test's functions return promises that the runner awaits.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "describe", "it", "suite"] },
          ],
        },
      ],
    },
  },
);
