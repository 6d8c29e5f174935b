"""Arrow tables -> warehouse tables: dlt pipeline, merge SQL, locks. All of dlt's undocumented surface is here."""
