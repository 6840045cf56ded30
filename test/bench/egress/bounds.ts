/** What bounds the way out. */
export const BOUNDS = `
To be written.
`;
