from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from strangler.django.control_plane import history


def install(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    history.install(schema_editor.connection)


def remove(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    history.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("strangler", "0001_initial")]

    operations = [migrations.RunPython(install, remove)]
