/** Writes the server's sources as plain JavaScript into a folder, which must lie inside the repository so that packages are found. */
export const compileInto: (folder: string) => void;
