/** What bounds the whole path. */
export const BOUNDS = `
To be written.
`;
