"""A company whose truth is known: what the sandbox CRM is filled with when no file is given."""

from sync.sandbox.generator.company import TIME_ZONE, generate
from sync.sandbox.generator.settings import CompanySettings

__all__ = ["TIME_ZONE", "CompanySettings", "generate"]
