"""Each incident that HubSpot's integrations were seen to have, and that it cannot happen here."""
