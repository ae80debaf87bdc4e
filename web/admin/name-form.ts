/** How the API wants names of machines' things. */
export const nameForm = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
