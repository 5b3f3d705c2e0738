/** A setting as the page shows it. */
export interface DescribedSetting {
  readonly name: string;
  readonly description: string;
  /** The text that is used without it; undefined: it must be given; null: it may be missing. */
  readonly fallback: string | undefined | null;
  readonly secret: boolean;
  /** Who takes it. */
  readonly by: readonly string[];
}

const HEAD = `# Every setting

Environment variables of the three services and of \`bongsu\`. A value that is not acceptable stops the start, and all problems
are named at once. An empty variable counts as one that is not set.

A secret can come from a file: \`<NAME>_FILE\` names it, and the two together are refused.

This page is made from the code by \`npx vitest run --project unit tools/settings -u\`; the same test fails when they differ.
`;

/** docs/settings.md, not formatted yet. */
export function settingsPage(sections: readonly { title: string; settings: readonly DescribedSetting[] }[]): string {
  return [HEAD, ...sections.map(({ title, settings }) => `## ${title}\n\n${table(settings)}\n`)].join('\n');
}

function table(settings: readonly DescribedSetting[]): string {
  const rows = settings.map(
    ({ name, description, fallback, secret, by }) =>
      `| \`${name}\`${secret ? ' (secret)' : ''} | ${cell(description)} | ${shown(fallback, secret)} | ${by.join(', ')} |`,
  );
  return ['| variable | what it is | default | taken by |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

const shown = (fallback: string | undefined | null, secret: boolean): string => {
  if (fallback === undefined) return 'required';
  if (fallback === null || fallback === '') return 'none';
  // A password in an address is nobody's to copy.
  return secret ? 'of the local stack' : `\`${fallback.replaceAll('|', '\\|')}\``;
};
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
